import { createHash } from 'node:crypto'
import pg from 'pg'
import type { Db } from 'pg-boss'

export type Connection = {
  /** What pg-boss runs its statements on. */
  readonly db: Db
  query(text: string, values?: unknown[]): Promise<{ rows: Record<string, unknown>[] }>
  transaction<T>(work: (db: Db) => Promise<T>): Promise<T>
  close(): Promise<void>
}

export type ConnectionOptions = {
  url: string
  applicationName: string
  max: number
  prepare: boolean
  onError(error: Error): void
}

/**
 * The queue's own small pool. pg-boss needs node-postgres: with postgres.js as its `db` its start fails
 * (UNSAFE_TRANSACTION). The pool is ours rather than pg-boss's so that the statement which adds a job is prepared
 * in the server; PgBouncer ≥ 1.21 follows such statements in transaction mode.
 */
export function createConnection(options: ConnectionOptions): Connection {
  const pool = new pg.Pool({
    connectionString: options.url,
    application_name: options.applicationName,
    max: options.max,
    // Bounds the wait for a free connection as well as for a new one.
    connectionTimeoutMillis: 3_000,
    // A peer that vanished without a word must not hold a poller for ever.
    query_timeout: 60_000,
    keepAlive: true,
    keepAliveInitialDelayMillis: 10_000,
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

  async function executeSql(text: string, values?: unknown[]) {
    const name = preparedName(text)
    return name === undefined ? pool.query(text, values) : pool.query({ name, text, values: values ?? [] })
  }

  async function transaction<T>(work: (db: Db) => Promise<T>): Promise<T> {
    const client = await pool.connect()
    let broken: Error | undefined
    const onError = (error: Error) => {
      broken = error
    }
    client.on('error', onError)
    try {
      await client.query('BEGIN')
      const result = await work({ executeSql: (text, values) => client.query(text, values) })
      await client.query('COMMIT')
      return result
    } catch (error) {
      await client.query('ROLLBACK').catch((fault: Error) => {
        broken = fault
      })
      throw error
    } finally {
      client.off('error', onError)
      client.release(broken)
    }
  }

  let closed: Promise<void> | undefined
  return {
    db: { executeSql },
    query: (text, values) => pool.query(text, values),
    transaction,
    close: () => {
      closed ??= pool.end()
      return closed
    },
  }
}
