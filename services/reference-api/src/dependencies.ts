import type { Config } from '@reference/config'
import type { Dependency } from '@reference/http'
import { dataStores } from '@reference/shop'
import type { Context } from './context.ts'

/**
 * The rows of `/ready` and `/services`.
 *
 * @param context made after the server, because it needs the server's logger; no check runs before the server listens
 * @param jobsRequired a worker process is useless without the job queue; the API only refuses `POST /process-data`
 */
export function dependenciesOf(
  config: Config,
  context: () => Context,
  { jobsRequired }: { jobsRequired: boolean },
): Dependency[] {
  const hasReplica = config.databaseReplicaUrl !== config.databaseUrl
  const stores = dataStores({
    postgres: (signal) => context().database.ready(signal),
    replica: hasReplica ? (signal) => context().database.replica.ping(signal) : undefined,
    redis: config.redis && ((signal) => context().cache.ready(signal)),
  })
  return [
    ...stores,
    {
      name: 'jobs',
      required: jobsRequired,
      thresholdMs: 1000,
      check: (signal) => context().jobs.ready(signal),
    },
  ]
}
