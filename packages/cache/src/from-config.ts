import type { CacheOptions, RedisTarget } from './options.ts'

/** The settings of a service that decide options of the cache. */
export interface CacheConfig {
  readonly redis: RedisTarget | undefined
  readonly cachePrefix: string | undefined
  readonly cacheL1: boolean
  readonly cacheL1MaxEntries: number
  readonly cacheL1MaxBytes: number
  readonly cacheL2: boolean
  readonly redisTimeoutMs: number
  readonly redisAutoPipelining: boolean
}

/** The options of `createCache` that the configuration decides. */
export function cacheSettings(config: CacheConfig) {
  return {
    redis: config.redis,
    prefix: config.cachePrefix,
    l1: { enabled: config.cacheL1, maxEntries: config.cacheL1MaxEntries, maxBytes: config.cacheL1MaxBytes },
    l2: {
      enabled: config.cacheL2,
      timeoutMs: config.redisTimeoutMs,
      autoPipelining: config.redisAutoPipelining,
    },
  } satisfies CacheOptions
}
