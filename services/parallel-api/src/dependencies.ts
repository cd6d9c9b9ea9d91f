import type { Cache } from '@reference/cache'
import type { Config } from '@reference/config'
import type { Database } from '@reference/database'
import type { Dependency } from '@reference/http'
import type { Upstream } from './upstream.ts'

/** What `/ready` and `/services` ask: only without the database is there nothing that this service can do. */
export function dependenciesOf(
  config: Config,
  { database, upstream, cache }: { database: Database; upstream: Upstream; cache: () => Cache },
): Dependency[] {
  const rows: Dependency[] = [
    { name: 'postgres', required: true, thresholdMs: 1000, check: (signal) => database.ready(signal) },
    { name: 'reference-api', required: false, thresholdMs: 500, check: (signal) => upstream.ping(signal) },
  ]
  if (config.databaseReplicaUrl !== config.databaseUrl) {
    rows.push({
      name: 'postgres-replica',
      required: false,
      thresholdMs: 1000,
      check: (signal) => database.replica.ping(signal),
    })
  }
  if (config.redis !== undefined) {
    rows.push({ name: 'redis', required: false, thresholdMs: 500, check: (signal) => cache().ready(signal) })
  }
  return rows
}
