import { connect, type Socket } from 'node:net'
import type postgres from 'postgres'
import type { Open } from './link.ts'

/** No such database, and a login that is right but not one of `stats_users` or `admin_users`. */
const NO_CONSOLE = new Set(['3D000', '08P01', '28000', '28P01'])

/**
 * PgBouncer itself, by `SHOW VERSION` on its console, which it answers without Postgres: with the row `postgres`, which is
 * asked through it, that tells which of the two is away. A role that may not use the console (`stats_users`) asks
 * `SELECT 1` through it instead.
 */
export const openPgbouncer =
  (url: string): Open =>
  async (_signal, onLost) => {
    const { default: driver } = await import('postgres')
    const console = Object.assign(new URL(url), { pathname: '/pgbouncer' }).href
    let through = false
    let client = createClient(driver, console, onLost)
    return {
      async ask() {
        if (!through) {
          try {
            return await client.sql.unsafe('SHOW VERSION').simple()
          } catch (error) {
            if (!(error instanceof Error && 'code' in error && NO_CONSOLE.has(String(error.code))))
              throw error
            client.destroy()
            client = createClient(driver, url, onLost)
            through = true
          }
        }
        return client.sql.unsafe('SELECT 1').simple()
      },
      destroy: () => client.destroy(),
    }
  }

/** The sockets are ours: postgres.js only half-closes them, so that one to a server that hangs would stay open. */
function createClient(driver: typeof postgres, url: string, onLost: () => void) {
  let socket: Socket | undefined
  let ended = false
  const sql = driver(url, {
    max: 1,
    fetch_types: false,
    prepare: false,
    connect_timeout: 5,
    max_lifetime: null,
    onnotice: () => {},
    onclose: () => {
      if (!ended) onLost()
    },
    connection: { application_name: 'health' },
    socket: ({ host, port }: { host: string[]; port: number[] }) => {
      const address = { host: host[0] ?? 'localhost', port: port[0] ?? 6432 }
      socket = connect({ ...address, noDelay: true })
      return Object.assign(socket, address)
    },
  } as postgres.Options<Record<string, never>>)
  return {
    sql,
    destroy() {
      ended = true
      socket?.destroy()
      void sql.end({ timeout: 0 }).catch(() => {})
    },
  }
}
