import type { Config } from '@reference/config'
import type { CacheOptions } from './options.ts'

/** The options of `createCache` that the configuration decides. */
export function cacheSettings(config: Config) {
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
