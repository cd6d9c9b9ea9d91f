import type { Config } from '@reference/config'
import type { SystemsOptions } from './systems.ts'

/** The options of `createSystems` that the settings decide: all of them. */
export function systemSettings(config: Config) {
  return {
    mysqlUrl: config.mysqlUrl,
    mongodbUrl: config.mongodbUrl,
    rabbitmqUrl: config.rabbitmqUrl,
    vaultAddress: config.vaultAddr,
  } satisfies SystemsOptions
}
