import type { Cache, Namespace } from '@reference/cache'
import type { Config } from '@reference/config'
import { checkedRow, type Database, queries } from '@reference/database'
import { cachedAs, type User } from '@reference/model'

/** The users of the reference-api's cache: both services read and fill the same entries, and the writes of the reference-api invalidate them in this process too. */
export function createUserCache(cache: Cache, database: Database, config: Config): Namespace<number, User> {
  return cache.namespace({
    ...cachedAs('user', config),
    load: async (id: number, { signal }) =>
      checkedRow('user', await database.primary.first(queries.userById, { id }, { signal })),
  })
}
