import { createHash } from 'node:crypto'
import type { Duplex } from 'node:stream'
import { settlesWithin } from '@reference/async'
import {
  ConnectError,
  nodePostgresClient,
  nodePostgresOptions,
  openConnection,
  postgresServer,
} from '@reference/postgres'
import pg from 'pg'
import type { Db } from 'pg-boss'
import { codeOf, isConnectionError } from './errors.ts'
import { repeated } from './repeat.ts'

/** Runs one statement. */
export type Query = (text: string, values?: unknown[]) => Promise<{ rows: Record<string, unknown>[] }>

export interface Connection {
  /** For the background work of pg-boss. */
  readonly db: Db
  /** For statements that a caller waits for: they fail after `CALL_TIMEOUT_MS` when the server does not answer. */
  readonly calls: Db
  /** `calls` as a function. */
  readonly query: Query
  /** `work` may run several times: it must have no effects but those of `db`. */
  transaction<T>(work: (db: Db) => Promise<T>): Promise<T>
  /** Takes at most a second, also when the server does not answer. */
  close(): Promise<void>
}

export interface ConnectionOptions {
  readonly url: string
  readonly applicationName: string
  /** The most connections. */
  readonly max: number
  readonly prepare: boolean
  /** Limit of a statement of `db`. Default 15,000. */
  readonly statementTimeoutMs?: number
  onError(error: Error): void
}

/** Limit of a statement that a caller waits for. The wait for a connection is limited by `CONNECT_TIMEOUT_MS` on top. */
export const CALL_TIMEOUT_MS = 4_000
const CONNECT_TIMEOUT_MS = 3_000
/** For background work. The limit of the role, 10 s, comes first unless the server no longer answers. */
const STATEMENT_TIMEOUT_MS = 15_000
const CLOSE_TIMEOUT_MS = 1_000

/**
 * The queue's own small pool of connections. pg-boss needs node-postgres: with postgres.js its start fails
 * (UNSAFE_TRANSACTION). It is not pg-boss's pool, because the statement that adds a job must be prepared in the server.
 * PgBouncer ≥ 1.21 supports prepared statements in transaction mode.
 */
export function createConnection(options: ConnectionOptions): Connection {
  return new PooledConnection(options)
}

class PooledConnection implements Connection {
  readonly db: Db
  readonly calls: Db
  readonly query: Query
  readonly #pool: pg.Pool
  readonly #prepare: boolean
  /** By text. */
  readonly #preparedNames = new Map<string, string>()
  /** Destroyed at the end: node-postgres ends an idle connection by waiting for the server to close it. */
  readonly #sockets = new Set<Duplex>()
  #closed: Promise<void> | undefined

  constructor(options: ConnectionOptions) {
    const { statementTimeoutMs = STATEMENT_TIMEOUT_MS } = options
    this.#prepare = options.prepare
    this.#pool = this.#createPool(options, statementTimeoutMs)
    this.db = { executeSql: (text, values) => this.#execute(text, values, statementTimeoutMs) }
    this.query = (text, values) => this.#execute(text, values, CALL_TIMEOUT_MS)
    this.calls = { executeSql: this.query }
  }

  transaction<T>(work: (db: Db) => Promise<T>): Promise<T> {
    return repeated(() => this.#withClient((client) => runTransaction(client, work), rollBack))
  }

  close(): Promise<void> {
    this.#closed ??= this.#end()
    return this.#closed
  }

  #createPool(
    { url, applicationName, max, onError }: ConnectionOptions,
    statementTimeoutMs: number,
  ): pg.Pool {
    const server = postgresServer(url)
    const open = () =>
      openConnection(server, {
        timeoutMs: CONNECT_TIMEOUT_MS,
        onSocket: (socket, below) => this.#keepSocket(socket, below),
      })
    const pool = new pg.Pool({
      ...nodePostgresOptions(server, open),
      Client: nodePostgresClient(pg),
      application_name: server.applicationName ?? applicationName,
      max,
      // Limits the wait for a free connection as well as for a new one.
      connectionTimeoutMillis: CONNECT_TIMEOUT_MS,
      // Without a limit, a server that vanished without closing its connections blocks a poller forever.
      query_timeout: statementTimeoutMs,
    })
    pool.on('error', onError)
    return pool
  }

  /** @param below the socket that this one (TLS) replaces */
  #keepSocket(socket: Duplex, below: Duplex | undefined): void {
    if (below !== undefined) this.#sockets.delete(below)
    for (const each of this.#sockets) if (each.destroyed) this.#sockets.delete(each)
    this.#sockets.add(socket)
  }

  #execute(text: string, values: unknown[] = [], timeoutMs: number) {
    return repeated((prepare) =>
      this.#withClient((client) =>
        client.query(queryOf(text, values, timeoutMs, prepare ? this.#preparedName(text) : undefined)),
      ),
    )
  }

  /** Inserts alone are prepared: their plan cannot go stale. A fetch that was planned on an empty table would be kept as the table grows. */
  #preparedName(text: string): string | undefined {
    if (!this.#prepare || !text.startsWith('\n    INSERT INTO')) return undefined
    let name = this.#preparedNames.get(text)
    if (name === undefined) {
      name = `jobs_${createHash('sha1').update(text).digest('hex').slice(0, 16)}`
      this.#preparedNames.set(text, name)
    }
    return name
  }

  /** @param recover whether the connection can be used again after an error */
  async #withClient<T>(
    use: (client: pg.PoolClient) => Promise<T>,
    recover: (client: pg.PoolClient, error: unknown) => Promise<boolean> = discard,
  ): Promise<T> {
    const client = await this.#connect()
    let broken: Error | undefined
    const onError = (error: Error) => {
      broken = error
    }
    client.on('error', onError)
    try {
      return await use(client)
    } catch (error) {
      if (!(await recover(client, error))) broken = error as Error
      throw error
    } finally {
      client.off('error', onError)
      client.release(broken)
    }
  }

  async #connect(): Promise<pg.PoolClient> {
    try {
      return await this.#pool.connect()
    } catch (error) {
      // Whatever the reason is (a login, a certificate, an unknown login method), there is no session.
      throw toConnectError(error)
    }
  }

  async #end(): Promise<void> {
    await settlesWithin(this.#pool.end(), CLOSE_TIMEOUT_MS)
    for (const socket of this.#sockets) socket.destroy()
  }
}

/** pg-boss sends several statements in one text, so a transaction may be open: drop the connection, as node-postgres does. */
async function discard(): Promise<boolean> {
  return false
}

async function runTransaction<T>(client: pg.PoolClient, work: (db: Db) => Promise<T>): Promise<T> {
  await client.query('BEGIN')
  const result = await work({
    executeSql: async (text, values = []) => client.query(queryOf(text, values, CALL_TIMEOUT_MS)),
  })
  await client.query('COMMIT')
  return result
}

async function rollBack(client: pg.PoolClient, error: unknown): Promise<boolean> {
  // Behind a statement that was not answered, a rollback is not answered either.
  if (isConnectionError(error)) return false
  return client.query('ROLLBACK').then(
    () => true,
    () => false,
  )
}

function toConnectError(error: unknown): ConnectError {
  if (error instanceof ConnectError) return error
  const message = error instanceof Error ? error.message : String(error)
  return new ConnectError(codeOf(error) ?? 'CONNECT_FAILED', message, error)
}

/** The types of node-postgres know the limit of a pool but not that of a query. */
function queryOf(text: string, values: unknown[], timeoutMs: number, name?: string): pg.QueryConfig {
  const query = { text, values, query_timeout: timeoutMs }
  return name === undefined ? query : { ...query, name }
}
