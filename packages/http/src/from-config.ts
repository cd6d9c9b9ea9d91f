import { isatty } from 'node:tty'
import type { Config } from '@reference/config'
import type { ServerOptions } from './server.ts'
import type { RunOptions } from './shutdown.ts'

/**
 * The options of `createServer` that the settings decide.
 *
 * @param manifest the package.json of the service
 */
export function serverSettings(config: Config, { version }: { readonly version: string }) {
  return {
    service: config.service,
    version,
    commit: config.buildCommit,
    logLevel: config.logLevel,
    logFormat: config.logFormat ?? (config.nodeEnv !== 'production' && isatty(1) ? 'pretty' : 'json'),
    requestLog: config.requestLog,
    bodyLimitBytes: config.bodyLimitBytes,
    compression: config.compression,
    fastPath: config.httpFastPath,
    responseSchemas: config.responseSchemas,
    internalPort: config.internalPort,
    auth: config.auth,
    authTokens: config.authTokens ?? [],
    jwt: config.jwt,
    authFailuresPerMinute: config.authFailuresPerMinute,
    rateLimitRps: config.rateLimitRps,
    rateLimitExempt: config.rateLimitExempt,
    // One proxy, our own: entries further left in x-forwarded-for come from the client.
    trustProxy: config.trustProxy ? 1 : false,
    overload: { concurrency: config.concurrencyLimit && { maximum: config.concurrencyLimitMax } },
    outgoingConnections: outgoingConnections(config),
    maxConnectionsPerAddress: config.trustProxy ? undefined : config.connectionsPerAddress,
    sendTimeoutMs: config.sendTimeoutMs,
    bodyBudgetBytes: config.bodyBudgetBytes,
    docs: config.apiDocs,
    securityHeaders: config.securityHeaders,
    hstsSeconds: config.hstsSeconds,
    corsOrigins: config.corsOrigins,
  } satisfies Partial<ServerOptions>
}

/** Connections of the cancellable pool, background work, Redis (three for each master) and the upstream. */
const OTHER_CONNECTIONS = 96

function outgoingConnections({ dbPoolMax, databaseReplicaUrl, databaseUrl }: Config): number {
  const pools = databaseReplicaUrl === databaseUrl ? 1 : 2
  return pools * dbPoolMax + OTHER_CONNECTIONS
}

/** The options of `runServer` that the settings decide. */
export function runSettings(config: Config) {
  return {
    host: config.host,
    port: config.port,
    shutdownDelayMs: config.shutdownDelayMs,
    closeTimeoutMs: config.shutdownTimeoutMs,
    diagnosticsDir: config.diagnosticsDir,
  } satisfies RunOptions
}
