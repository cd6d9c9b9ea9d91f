import type { RedisTls } from '@reference/config'
import { openPgbouncer } from './pgbouncer.ts'
import { createProbe, type Probe } from './probe.ts'
import { openRedis } from './redis.ts'

const PGBOUNCER_THRESHOLD_MS = 1000
const REDIS_THRESHOLD_MS = 500

/** What to probe; an absent system has no row, and its client is never loaded. */
export interface ProbesOptions {
  readonly pgbouncerUrl?: string | undefined
  /** Nodes of a Redis Cluster. */
  readonly redisNodes?:
    | {
        readonly nodes: readonly { readonly host: string; readonly port: number }[]
        readonly username?: string | undefined
        readonly password?: string | undefined
        readonly tls?: RedisTls
      }
    | undefined
}

export interface Probes {
  /** For `/ready` and `/services`. */
  readonly dependencies: readonly Probe[]
  /** For `/services` alone: each node of a cluster, which has a row as a whole already. */
  readonly nodes: readonly Probe[]
  /** Closes every connection at once. */
  close(): Promise<void>
}

/** Probes the parts of the stack that no request addresses itself: PgBouncer, and each node of a Redis Cluster. */
export function createProbes({ pgbouncerUrl, redisNodes }: ProbesOptions): Probes {
  const { nodes: addresses = [], username, password, tls } = redisNodes ?? {}
  const login = {
    ...(username !== undefined && { username }),
    ...(password !== undefined && { password }),
    ...(tls && { tls }),
  }
  const dependencies =
    pgbouncerUrl === undefined
      ? []
      : [createProbe('pgbouncer', PGBOUNCER_THRESHOLD_MS, openPgbouncer(pgbouncerUrl))]
  const nodes = addresses.map(({ host, port }) =>
    createProbe(`redis ${host}:${port}`, REDIS_THRESHOLD_MS, openRedis(host, port, login)),
  )
  return {
    dependencies,
    nodes,
    async close() {
      await Promise.all([...dependencies, ...nodes].map((probe) => probe.close()))
    },
  }
}
