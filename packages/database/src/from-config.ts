import type { Config } from '@reference/config'
import type { DatabaseOptions } from './database.ts'

/** The part of `createDatabase`'s options that the settings decide. */
export function databaseSettings(config: Config) {
  return {
    url: config.databaseUrl,
    replicaUrl: config.databaseReplicaUrl === config.databaseUrl ? undefined : config.databaseReplicaUrl,
    preset: config.service,
    applicationName: config.service,
    poolMax: config.dbPoolMax,
    poolTimeoutMs: config.dbPoolTimeoutMs,
    prepare: config.dbPrepare,
  } satisfies DatabaseOptions
}
