import type { Cache } from '@reference/cache'
import type { Config } from '@reference/config'
import type { Database } from '@reference/database'
import { type Dependency, dataStores } from '@reference/http'
import type { Jobs } from '@reference/jobs'

/** What `/ready` and `/services` ask. */
export function dependenciesOf(
  config: Config,
  { database, cache, jobs }: { database: Database; cache: () => Cache; jobs: () => Jobs },
): Dependency[] {
  const hasReplica = config.databaseReplicaUrl !== config.databaseUrl
  const stores = dataStores({
    postgres: (signal) => database.ready(signal),
    replica: hasReplica ? (signal) => database.replica.ping(signal) : undefined,
    redis: config.redis && ((signal) => cache().ready(signal)),
  })
  return [
    ...stores,
    // Without it POST /process-data is a 503, and everything else works.
    { name: 'jobs', required: false, thresholdMs: 1000, check: (signal) => jobs().ready(signal) },
  ]
}
