import type { Config } from '@reference/config'
import type { ProbesOptions } from './probes.ts'

/** The options of `createProbes` that the settings decide: all of them. */
export function probeSettings(config: Config) {
  return {
    pgbouncerUrl: config.databaseUrl === config.databaseDirectUrl ? undefined : config.databaseUrl,
    redisNodes: config.redis?.kind === 'cluster' ? config.redis : undefined,
  } satisfies ProbesOptions
}
