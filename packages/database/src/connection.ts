import postgres from 'postgres'
import { wireTypes } from './wire.ts'

export type Connection = postgres.Sql<Record<string, never>>

export type ConnectionOptions = {
  url: string
  applicationName: string
  prepare: boolean
  idleSeconds: number | undefined
  lifetimeSeconds: number
}

/**
 * One connection: a postgres.js client with `max: 1`, which connects at its first statement and again after a loss.
 * The pool has one for each of its places instead of one client with `max: 30`, since only then is it known which
 * connection a statement is on. Cancelling needs that (the cancel names a session, and might otherwise hit the next
 * statement on it), and so do transactions (a `begin` that fills a pipeline is lost in postgres.js 3.4).
 */
export function createConnection(options: ConnectionOptions): Connection {
  const settings = {
    max: 1,
    // Not declared. The gate keeps to its depth; a pipeline that postgres.js thinks full takes nothing until it drained.
    max_pipeline: 1000,
    prepare: options.prepare,
    // One query less a connection: the array types that we send are known (see wire.ts).
    fetch_types: false,
    ...(options.idleSeconds === undefined ? {} : { idle_timeout: options.idleSeconds }),
    // Up to a tenth earlier, so that connections that were opened together do not close together.
    max_lifetime: Math.round(options.lifetimeSeconds * (1 - Math.random() / 10)),
    connect_timeout: 5,
    // The default waits up to 20 s after failures; a database that comes back should be seen within a second.
    backoff: (failures: number) => Math.min(0.05 * failures, 1),
    types: wireTypes,
    connection: { application_name: options.applicationName, TimeZone: 'UTC' },
    onnotice: () => {},
  }
  return postgres(options.url, settings) as unknown as Connection
}

/** What postgres.js knows of a statement but does not declare. */
export type Running = PromiseLike<unknown> & {
  active?: boolean
  canceller?: ((query: Running) => Promise<void>) | null
}

/**
 * Asks the server to stop a statement, until it has settled. Not `query.cancel()`: that hides its promise, so a server
 * that is away ends the process with an unhandled rejection, and a statement that still connects leaves the
 * client stuck. It is asked again since a cancel that comes between Parse and Bind is ignored by the server.
 *
 * @returns when the statement has settled and no cancel is on its way that could meet the next one.
 */
export async function cancelRunning(query: Running): Promise<void> {
  let settled = false
  const end = () => {
    settled = true
  }
  const ended = Promise.resolve(query).then(end, end)
  while (!settled) {
    if (query.active && query.canceller) await query.canceller(query).catch(() => {})
    await Promise.race([ended, pause(25)])
  }
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms))
}
