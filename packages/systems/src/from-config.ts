import type { Config } from '@reference/config'
import type { SystemsOptions } from './systems.ts'

/** The part of `createSystems`'s options that the settings decide: all of it. */
export function systemSettings(config: Config) {
  return {
    pgbouncerUrl: config.databaseUrl === config.databaseDirectUrl ? undefined : config.databaseUrl,
    mysqlUrl: config.mysqlUrl,
    mongodbUrl: config.mongodbUrl,
    rabbitmqUrl: config.rabbitmqUrl,
    vaultAddress: config.vaultAddr,
    redisNodes: config.redis?.kind === 'cluster' ? config.redis : undefined,
  } satisfies SystemsOptions
}
