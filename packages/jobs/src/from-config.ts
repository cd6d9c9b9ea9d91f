import type { Config } from '@reference/config'
import type { JobsOptions } from './options.ts'

/** The part of `createJobs`'s options that the settings decide. */
export function jobsSettings(config: Config) {
  return {
    databaseUrl: config.databaseUrl,
    directUrl: config.databaseDirectUrl,
    applicationName: config.service,
    prepare: config.dbPrepare,
    // Half of the shutdown budget; the rest is for in-flight requests and for closing pools.
    drainTimeoutMs: config.shutdownTimeoutMs / 2,
    attemptLog: config.requestLog,
  } satisfies Partial<JobsOptions>
}
