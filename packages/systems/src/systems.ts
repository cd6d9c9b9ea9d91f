import { createLink, type Open } from './link.ts'
import { openMongodb } from './mongodb.ts'
import { openMysql } from './mysql.ts'
import { openPgbouncer } from './pgbouncer.ts'
import { openRabbitmq } from './rabbitmq.ts'
import { openRedis } from './redis.ts'
import { openVault } from './vault.ts'

/** Where the systems are; what is absent is not asked, and its client is never loaded. */
export interface SystemsOptions {
  readonly pgbouncerUrl?: string | undefined
  readonly mysqlUrl?: string | undefined
  readonly mongodbUrl?: string | undefined
  readonly rabbitmqUrl?: string | undefined
  readonly vaultAddress?: string | undefined
  /** Nodes of a Redis Cluster, each of which is asked. */
  readonly redisNodes?:
    | {
        readonly nodes: readonly { readonly host: string; readonly port: number }[]
        readonly username?: string | undefined
        readonly password?: string | undefined
      }
    | undefined
}

/** A row of `/ready` and `/services`. */
export interface System {
  readonly name: string
  /** Requests need none of them. */
  readonly required: false
  readonly thresholdMs: number
  check(signal: AbortSignal): Promise<void>
}

export interface Systems {
  /** For `/ready` and `/services`. */
  readonly dependencies: System[]
  /** For `/services` alone: the nodes of a cluster, which as a whole is a row already. */
  readonly nodes: System[]
  /** Closes every connection at once. */
  close(): Promise<void>
}

/** Below the second that a check has, so that the driver's own reason is told and not only that time was up. */
const CONNECT_TIMEOUT_MS = 900

/**
 * Says how the systems around a service are, each over its own protocol. Nothing is connected before the first check; a
 * system that is away, refuses or hangs fails its own check and nothing else.
 *
 * Thresholds are those of the guide's baseline table; PgBouncer has Postgres's.
 */
export function createSystems(options: SystemsOptions): Systems {
  const links: { close(): Promise<void> }[] = []
  const row = (name: string, thresholdMs: number, open: Open): System => {
    const link = createLink(open)
    links.push(link)
    return { name, required: false, thresholdMs, check: (signal) => link.check(signal) }
  }
  const { pgbouncerUrl, mysqlUrl, mongodbUrl, rabbitmqUrl, vaultAddress, redisNodes } = options
  const { nodes = [], username, password } = redisNodes ?? {}
  const login = { ...(username !== undefined && { username }), ...(password !== undefined && { password }) }
  return {
    dependencies: [
      pgbouncerUrl === undefined ? [] : row('pgbouncer', 1000, openPgbouncer(pgbouncerUrl)),
      mysqlUrl === undefined ? [] : row('mysql', 1000, openMysql(mysqlUrl)),
      mongodbUrl === undefined ? [] : row('mongodb', 1000, openMongodb(mongodbUrl, CONNECT_TIMEOUT_MS)),
      rabbitmqUrl === undefined ? [] : row('rabbitmq', 1000, openRabbitmq(rabbitmqUrl, CONNECT_TIMEOUT_MS)),
      vaultAddress === undefined ? [] : row('vault', 200, openVault(vaultAddress)),
    ].flat(),
    nodes: nodes.map(({ host, port }) => row(`redis ${host}:${port}`, 500, openRedis(host, port, login))),
    async close() {
      await Promise.all(links.map((link) => link.close()))
    },
  }
}
