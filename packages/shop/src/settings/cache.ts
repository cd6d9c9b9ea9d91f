import type { CacheEntry } from '../cache-entry.ts'
import type { Setting } from './model.ts'
import { settingByKey, settingsByKeys } from './queries.ts'

/** How a setting is cached: in each process alone, because settings are few. An invalidation reaches every replica. */
export const settingEntry: CacheEntry<string, Setting> = ({ database, ttlMs }) => {
  const read = database.reader({ column: 'key', one: settingByKey, many: settingsByKeys })
  return {
    name: 'setting',
    // Raise it when the shape of the row changes: replicas of both releases then use keys of their own.
    version: 1,
    ttlMs,
    negativeTtlMs: 10_000,
    tier1Only: true,
    load: read,
  }
}
