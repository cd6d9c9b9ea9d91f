import { createHash } from 'node:crypto'
import type { Duplex } from 'node:stream'
import { setTimeout as delay } from 'node:timers/promises'
import {
  ConnectError,
  nodePostgresClient,
  nodePostgresOptions,
  openConnection,
  postgresServer,
} from '@reference/postgres'
import pg from 'pg'
import type { Db } from 'pg-boss'
import { isConnectionFault } from './errors.ts'
import { repeated } from './repeat.ts'

export type Connection = {
  /** What pg-boss runs its statements on. */
  readonly db: Db
  /** The same for what somebody waits for: a server that does not answer is told after `CALL_TIMEOUT_MS`. */
  readonly calls: Db
  query(text: string, values?: unknown[]): Promise<{ rows: Record<string, unknown>[] }>
  /** `work` may run several times: its only effects are those of `db`. */
  transaction<T>(work: (db: Db) => Promise<T>): Promise<T>
  /** Ends within a second, whether the server takes part or not. */
  close(): Promise<void>
}

/** The wait for a connection is bounded by itself, so a call takes this and `CONNECT_TIMEOUT_MS` at most. */
export const CALL_TIMEOUT_MS = 4_000
const CONNECT_TIMEOUT_MS = 3_000
/** For pollers and maintenance. The role's limit of 10 s comes first, unless the server no longer answers. */
const STATEMENT_TIMEOUT_MS = 15_000
const CLOSE_TIMEOUT_MS = 1_000

export type ConnectionOptions = {
  url: string
  applicationName: string
  max: number
  prepare: boolean
  /** How long a statement of `db` may take; 15 s unless given. */
  statementTimeoutMs?: number
  onError(error: Error): void
}

/**
 * The queue's own small pool. pg-boss needs node-postgres: with postgres.js as its `db` its start fails
 * (UNSAFE_TRANSACTION). The pool is ours rather than pg-boss's so that the statement which adds a job is prepared
 * in the server; PgBouncer ≥ 1.21 follows such statements in transaction mode.
 */
export function createConnection(options: ConnectionOptions): Connection {
  const { statementTimeoutMs = STATEMENT_TIMEOUT_MS } = options
  const server = postgresServer(options.url)
  // Kept to be destroyed, since node-postgres ends an idle connection by waiting for the server to close it.
  const sockets = new Set<Duplex>()
  const onSocket = (socket: Duplex, below?: Duplex) => {
    if (below !== undefined) sockets.delete(below)
    for (const each of sockets) if (each.destroyed) sockets.delete(each)
    sockets.add(socket)
  }
  const open = () => openConnection(server, { timeoutMs: CONNECT_TIMEOUT_MS, onSocket })
  const pool = new pg.Pool({
    ...nodePostgresOptions(server, open),
    Client: nodePostgresClient(pg),
    application_name: server.applicationName ?? options.applicationName,
    max: options.max,
    // Bounds the wait for a free connection as well as for a new one.
    connectionTimeoutMillis: CONNECT_TIMEOUT_MS,
    // A peer that vanished without a word must not hold a poller for ever.
    query_timeout: statementTimeoutMs,
  })
  pool.on('error', options.onError)

  const preparedNames = new Map<string, string>()

  // Only the insert: its plan cannot go stale, while a fetch planned on an empty table would be kept as it grows.
  function preparedName(text: string): string | undefined {
    if (!options.prepare || !text.startsWith('\n    INSERT INTO')) return undefined
    let name = preparedNames.get(text)
    if (name === undefined) {
      name = `jobs_${createHash('sha1').update(text).digest('hex').slice(0, 16)}`
      preparedNames.set(text, name)
    }
    return name
  }

  function dbWith(timeoutMs: number): Db {
    return {
      executeSql: (text, values = []) =>
        repeated((prepare) =>
          withClient((client) =>
            client.query(queryOf(text, values, timeoutMs, prepare ? preparedName(text) : undefined)),
          ),
        ),
    }
  }

  async function connect(): Promise<pg.PoolClient> {
    try {
      return await pool.connect()
    } catch (error) {
      // Whatever it is (a login, a certificate, a login method that is not known), no session is there.
      throw noSession(error)
    }
  }

  async function withClient<T>(use: (client: pg.PoolClient) => Promise<T>): Promise<T> {
    const client = await connect()
    let broken: Error | undefined
    const onError = (error: Error) => {
      broken = error
    }
    client.on('error', onError)
    try {
      return await use(client)
    } catch (error) {
      // As the pool itself does: pg-boss sends several statements at once, and a transaction among them stays open.
      broken = error as Error
      throw error
    } finally {
      client.off('error', onError)
      client.release(broken)
    }
  }

  function transaction<T>(work: (db: Db) => Promise<T>): Promise<T> {
    return repeated(() => transactionOnce(work))
  }

  async function transactionOnce<T>(work: (db: Db) => Promise<T>): Promise<T> {
    const client = await connect()
    let broken: Error | undefined
    const onError = (error: Error) => {
      broken = error
    }
    client.on('error', onError)
    try {
      await client.query('BEGIN')
      const result = await work({
        executeSql: async (text, values = []) => client.query(queryOf(text, values, CALL_TIMEOUT_MS)),
      })
      await client.query('COMMIT')
      return result
    } catch (error) {
      // Behind a statement that is not answered, a rollback is not either.
      if (isConnectionFault(error)) broken = error as Error
      else {
        await client.query('ROLLBACK').catch((fault: Error) => {
          broken = fault
        })
      }
      throw error
    } finally {
      client.off('error', onError)
      client.release(broken)
    }
  }

  async function close(): Promise<void> {
    const limit = new AbortController()
    const late = delay(CLOSE_TIMEOUT_MS, undefined, { signal: limit.signal }).catch(() => {})
    await Promise.race([pool.end(), late])
    limit.abort()
    for (const socket of sockets) socket.destroy()
  }

  let closed: Promise<void> | undefined
  const calls = dbWith(CALL_TIMEOUT_MS)
  return {
    db: dbWith(statementTimeoutMs),
    calls,
    query: calls.executeSql,
    transaction,
    close: () => {
      closed ??= close()
      return closed
    },
  }
}

function noSession(error: unknown): ConnectError {
  if (error instanceof ConnectError) return error
  const { code, message } = error as { code?: unknown; message?: unknown }
  return new ConnectError(typeof code === 'string' ? code : 'CONNECT_FAILED', String(message), error)
}

// The types of node-postgres know the limit of a pool, and not that of a query.
function queryOf(text: string, values: unknown[], timeoutMs: number, name?: string): pg.QueryConfig {
  const query = { text, values, query_timeout: timeoutMs }
  return name === undefined ? query : { ...query, name }
}
