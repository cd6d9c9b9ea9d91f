import type { Config } from '@reference/config'
import manifest from '../../../package.json' with { type: 'json' }
import type { ServerOptions } from './server.ts'
import type { RunOptions } from './shutdown.ts'

/** The part of `createServer`'s options that the settings decide. */
export function serverSettings(config: Config) {
  return {
    service: config.service,
    version: manifest.version,
    commit: config.buildCommit,
    logLevel: config.logLevel,
    requestLog: config.requestLog,
    bodyLimitBytes: config.bodyLimitBytes,
    compression: config.compression,
    responseSchemas: config.responseSchemas,
    internalPort: config.internalPort,
    auth: config.auth,
    authTokens: config.authTokens ?? [],
    rateLimitRps: config.rateLimitRps,
    // One proxy, our own: further left in x-forwarded-for is only what the client says.
    trustProxy: config.trustProxy ? 1 : false,
  } satisfies Partial<ServerOptions>
}

/** The part of `runServer`'s options that the settings decide. */
export function runSettings(config: Config) {
  return {
    host: config.host,
    port: config.port,
    shutdownDelayMs: config.shutdownDelayMs,
    closeTimeoutMs: config.shutdownTimeoutMs,
  } satisfies RunOptions
}
