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
    outgoingConnections: outgoingConnections(config),
  } satisfies Partial<ServerOptions>
}

/** Of the cancellable pool, the job queue, Redis (three a master) and the upstream; the main pool's own number is a setting. */
const OTHER_CONNECTIONS = 96

function outgoingConnections({ dbPoolMax, databaseReplicaUrl, databaseUrl }: Config): number {
  const pools = databaseReplicaUrl === databaseUrl ? 1 : 2
  return pools * dbPoolMax + OTHER_CONNECTIONS
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
