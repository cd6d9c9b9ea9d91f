import type { Cache, Namespace, NamespaceOptions } from '@reference/cache'
import type { Config } from '@reference/config'
import type { Database } from '@reference/database'

/**
 * How a resource is cached: name, version, times and loader of its namespace. A loader reads from the primary: a replica may lag
 * behind the write that has just invalidated the row, and the old row would be cached again.
 */
export type CacheEntry<Key extends string | number, Row> = (
  context: CacheEntryContext,
) => NamespaceOptions<Key, Row>

export interface CacheEntryContext {
  readonly database: Database
  /** `CACHE_TTL_SECONDS` */
  readonly ttlMs: number
}

/** Returns the namespace of an entry, the same one for each caller. */
export type Cached = <Key extends string | number, Row>(entry: CacheEntry<Key, Row>) => Namespace<Key, Row>

/**
 * Opens the namespace of an entry at its first use, so that routes and jobs name the entry and no list of all entries is needed.
 */
export function createCached(
  cache: Cache,
  { database, config }: { database: Database; config: Pick<Config, 'cacheTtlSeconds'> },
): Cached {
  const context = { database, ttlMs: config.cacheTtlSeconds * 1000 }
  const namespaces = new Map<unknown, unknown>()
  return <Key extends string | number, Row>(entry: CacheEntry<Key, Row>) => {
    const open = namespaces.get(entry) as Namespace<Key, Row> | undefined
    if (open !== undefined) return open
    const namespace = cache.namespace(entry(context))
    namespaces.set(entry, namespace)
    return namespace
  }
}
