import type { Config } from '@reference/config'
import type { Dependency } from '@reference/http'
import { dataStores } from '@reference/shop'
import { type Context, UPSTREAM_NAME } from './context.ts'

/** The systems that `/ready` and `/services` check. Only the database is required: without it every call fails. */
export function dependenciesOf(config: Config, context: () => Context): Dependency[] {
  const hasReplica = config.databaseReplicaUrl !== config.databaseUrl
  const stores = dataStores({
    postgres: (signal) => context().database.ready(signal),
    replica: hasReplica ? (signal) => context().database.replica.ping(signal) : undefined,
    redis: config.redis && ((signal) => context().cache.ready(signal)),
  })
  return [
    ...stores,
    {
      name: UPSTREAM_NAME,
      required: false,
      thresholdMs: 500,
      check: (signal) => context().upstream.ping(signal),
    },
  ]
}
