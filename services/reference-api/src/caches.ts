import type { Cache } from '@reference/cache'
import type { Config } from '@reference/config'
import { checkedRow, type Database, queries } from '@reference/database'
import { cachedAs } from '@reference/model'

/**
 * What is cached, under which name, for how long, and where it is loaded from. Single rows are read from the primary:
 * a replica may lag behind the write that has just invalidated the row, and the old one would be cached again.
 */
export function createCaches(cache: Cache, database: Database, config: Config) {
  const { primary } = database
  return {
    users: cache.namespace({
      ...cachedAs('user', config),
      load: async (id: number, { signal }) =>
        checkedRow('user', await primary.first(queries.userById, { id }, { signal })),
    }),
    products: cache.namespace({
      ...cachedAs('product', config),
      load: async (id: number, { signal }) =>
        checkedRow('product', await primary.first(queries.productById, { id }, { signal })),
    }),
    orders: cache.namespace({
      ...cachedAs('order', config),
      load: async (id: number, { signal }) =>
        checkedRow('order', await primary.first(queries.orderById, { id }, { signal })),
    }),
    /** The guide's `lru_cache` for configuration, with an end and with invalidation on every replica. */
    settings: cache.namespace({
      name: 'setting',
      version: 1,
      ttlMs: config.cacheTtlSeconds * 1000,
      negativeTtlMs: 10_000,
      tier1Only: true,
      load: (key: string, { signal }) => primary.first(queries.settingByKey, { key }, { signal }),
    }),
  }
}

export type Caches = ReturnType<typeof createCaches>
