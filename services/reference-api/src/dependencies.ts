import type { Cache } from '@reference/cache'
import type { Config } from '@reference/config'
import type { Database } from '@reference/database'
import { type Dependency, dataStores } from '@reference/http'

/** What `/ready` and `/services` ask. */
export function dependenciesOf(config: Config, database: Database, cache: () => Cache): Dependency[] {
  const hasReplica = config.databaseReplicaUrl !== config.databaseUrl
  return dataStores({
    postgres: (signal) => database.ready(signal),
    replica: hasReplica ? (signal) => database.replica.ping(signal) : undefined,
    redis: config.redis && ((signal) => cache().ready(signal)),
  })
}
