import type { Duplex } from 'node:stream'
import {
  openConnection,
  type PostgresServer,
  postgresJsOptions,
  postgresServer,
  withoutLibpqVariables,
} from '@reference/postgres'
import postgres from 'postgres'
import type { Open } from './link.ts'

/** No such database, or a valid login that is not one of `stats_users` or `admin_users`. */
const NO_CONSOLE = new Set(['3D000', '08P01', '28000', '28P01'])

const CONNECT_SECONDS = 5

/**
 * Probes PgBouncer by `SHOW VERSION` on its console, which it answers without Postgres. The row `postgres` is probed through
 * PgBouncer, so the two rows show which of them is unavailable. A role without access to the console (`stats_users`) sends
 * `SELECT 1` through PgBouncer instead.
 */
export const openPgbouncer =
  (url: string): Open =>
  async (_signal, onLost) => {
    const server = postgresServer(url)
    const console = { ...server, database: 'pgbouncer' }
    let hasConsole = true
    let client = createClient(console, onLost)
    return {
      async ask() {
        if (hasConsole) {
          try {
            return await client.sql.unsafe('SHOW VERSION').simple()
          } catch (error) {
            if (!(error instanceof Error && 'code' in error && NO_CONSOLE.has(String(error.code))))
              throw error
            client.destroy()
            client = createClient(server, onLost)
            hasConsole = false
          }
        }
        return client.sql.unsafe('SELECT 1').simple()
      },
      destroy: () => client.destroy(),
    }
  }

/** Opens the sockets itself: postgres.js only half-closes its own, so that one to a server that hangs would stay open. */
function createClient(server: PostgresServer, onLost: () => void) {
  const sockets = new Set<Duplex>()
  const ending = new AbortController()
  const settings = {
    ...postgresJsOptions(server),
    max: 1,
    fetch_types: false,
    prepare: false,
    connect_timeout: CONNECT_SECONDS,
    max_lifetime: null,
    onnotice: () => {},
    onclose: () => {
      if (!ending.signal.aborted) onLost()
    },
    connection: { application_name: 'health' },
    async socket(options: { connection: object }) {
      const { socket, startParameters } = await openConnection(server, {
        timeoutMs: CONNECT_SECONDS * 1000,
        signal: ending.signal,
        onSocket(socket, below) {
          if (below !== undefined) sockets.delete(below)
          sockets.add(socket)
        },
      }).catch((error: unknown) => {
        onLost()
        throw error
      })
      Object.assign(options.connection, startParameters)
      return socket
    },
  }
  const sql = withoutLibpqVariables(() => postgres(settings as never))
  return {
    sql,
    destroy() {
      ending.abort(new Error('The client is closed'))
      for (const socket of sockets) socket.destroy()
      void sql.end({ timeout: 0 }).catch(() => {})
    },
  }
}
