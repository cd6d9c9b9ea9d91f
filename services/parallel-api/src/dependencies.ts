import type { Cache } from '@reference/cache'
import type { Config } from '@reference/config'
import type { Database } from '@reference/database'
import { type Dependency, dataStores } from '@reference/http'
import type { Upstream } from '@reference/upstream'

/** What `/ready` and `/services` ask: only without the database is there nothing that this service can do. */
export function dependenciesOf(
  config: Config,
  { database, upstream, cache }: { database: Database; upstream: Upstream; cache: () => Cache },
): Dependency[] {
  const hasReplica = config.databaseReplicaUrl !== config.databaseUrl
  const stores = dataStores({
    postgres: (signal) => database.ready(signal),
    replica: hasReplica ? (signal) => database.replica.ping(signal) : undefined,
    redis: config.redis && ((signal) => cache().ready(signal)),
  })
  return [
    ...stores,
    { name: upstream.name, required: false, thresholdMs: 500, check: (signal) => upstream.ping(signal) },
  ]
}
