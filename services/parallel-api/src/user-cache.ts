import type { Cache, Namespace } from '@reference/cache'
import type { Config } from '@reference/config'
import { type Database, queries } from '@reference/database'
import { cachedAs, type User } from '@reference/model'

/** The users of the reference-api's cache: both services read and fill the same entries, and its writes invalidate them here too. */
export function createUserCache(cache: Cache, database: Database, config: Config): Namespace<number, User> {
  return cache.namespace({
    ...cachedAs('user', config),
    load: (id: number, { signal }) => database.primary.first(queries.userById, { id }, { signal }),
  })
}
