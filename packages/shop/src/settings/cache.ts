import type { CacheEntry } from '../cache-entry.ts'
import type { Setting } from './model.ts'
import { settingByKey } from './queries.ts'

/** How a setting is cached: in each process alone, because settings are few. An invalidation reaches every replica. */
export const settingEntry: CacheEntry<string, Setting> = ({ database, ttlMs }) => ({
  name: 'setting',
  // Raise it when the shape of the row changes: replicas of both releases then use keys of their own.
  version: 1,
  ttlMs,
  negativeTtlMs: 10_000,
  tier1Only: true,
  load: (key, { signal }) => database.primary.first(settingByKey, { key }, { signal }),
})
