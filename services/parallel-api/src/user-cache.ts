import type { Cache, Namespace } from '@reference/cache'
import { type Database, queries } from '@reference/database'
import type { User } from '@reference/model'

/**
 * The users of the reference-api's cache: both services read and fill the same entries, and its writes invalidate them
 * here too. So name, version, codec and times are that service's, and change together with them; the test "reads what
 * the reference-api has cached" fails when they drift apart.
 */
export function createUserCache(cache: Cache, database: Database, ttlMs: number): Namespace<number, User> {
  return cache.namespace({
    name: 'user',
    version: 1,
    ttlMs,
    graceMs: ttlMs / 5,
    negativeTtlMs: 10_000,
    load: (id: number, { signal }) => database.primary.first(queries.userById, { id }, { signal }),
  })
}
