import type { Test } from 'tap'
import type { Cache, CacheOptions } from '../index.ts'
import type { Safeguard } from '../safeguards.ts'
import { createCacheWithout } from './create-cache-without.ts'

/** A cache that is closed with the test, and usable at once if it has a Redis. */
export async function openCache(
  t: Test,
  options: CacheOptions,
  without: readonly Safeguard[] = [],
): Promise<Cache> {
  const cache = createCacheWithout(without, options)
  t.teardown(() => cache.close())
  if (options.redis !== undefined && !(await cache.whenUsable(10_000)))
    throw new Error('the cache did not connect')
  return cache
}
