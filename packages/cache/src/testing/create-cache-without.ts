import { type Cache, composeCache } from '../cache.ts'
import { type CacheOptions, resolveOptions } from '../options.ts'
import { ALL_SAFEGUARDS, type Safeguard } from '../safeguards.ts'

/** A cache with some of its safeguards off, for tests that show what a safeguard prevents. */
export function createCacheWithout(without: readonly Safeguard[], options: CacheOptions): Cache {
  const safeguards = { ...ALL_SAFEGUARDS }
  for (const safeguard of without) safeguards[safeguard] = false
  return composeCache(resolveOptions(options, safeguards))
}
