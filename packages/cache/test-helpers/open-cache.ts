import type { Test } from 'tap'
import { type Cache, type CacheOptions, createCache } from '../src/index.ts'

/** A cache that is closed with the test; on a Redis it can be used at once. */
export async function openCache(t: Test, options: CacheOptions): Promise<Cache> {
  const cache = createCache(options)
  t.teardown(() => cache.close())
  if (options.redis !== undefined && !(await cache.whenUsable(10_000)))
    throw new Error('the cache did not connect')
  return cache
}
