import type { Config } from '@reference/config'
import type { SettingDifference } from '@reference/postgres'
import type { DatabaseOptions, PoolSizes } from './database.ts'

/** The options of `createDatabase` that follow from the settings, and the pool sizes of the service. */
export function databaseSettings(config: Config, poolSizes: PoolSizes) {
  return {
    url: config.databaseUrl,
    replicaUrl: config.databaseReplicaUrl === config.databaseUrl ? undefined : config.databaseReplicaUrl,
    poolSizes,
    applicationName: config.service,
    poolMax: config.dbPoolMax,
    poolTimeoutMs: config.dbPoolTimeoutMs,
    prepare: config.dbPrepare,
    batching: config.dbBatching,
  } satisfies DatabaseOptions
}

/** For `onSettings`: one line of the log a pool. */
export function warnOfSettings(
  logger: { warn(details: object, message: string): void },
  pool: string,
  differences: readonly SettingDifference[],
): void {
  logger.warn(
    { pool, settings: differences },
    'the sessions of the database have other settings than the services rely on: run db:migrate, and see TROUBLESHOOTING.md',
  )
}
