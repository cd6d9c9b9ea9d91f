import { drizzle, type PostgresJsDatabase } from 'drizzle-orm/postgres-js'
import type postgres from 'postgres'
import { type Connection, cancelRunning, type Running } from './connection.ts'
import { databaseUnavailableError, isBrokenConnection, isDatabaseUnavailable, translate } from './errors.ts'
import { reasonToRepeat } from './repeat.ts'
import type { Statement } from './statement.ts'
import type { BeginStatement } from './tracing.ts'
import type { Watch } from './watch.ts'

export type Transaction = {
  run<Params extends object, Row>(statement: Statement<Params, Row>, params: Params): Promise<Row[]>
  first<Params extends object, Row>(
    statement: Statement<Params, Row>,
    params: Params,
  ): Promise<Row | undefined>
  /** The first column of the first row, undecoded: a view of the socket's memory, to be copied before it is transferred. */
  bytes<Params extends object, Row>(statement: Statement<Params, Row>, params: Params): Promise<Buffer>
  /** Drizzle on this transaction; pg-boss enqueues in it through `fromDrizzle(tx.drizzle, sql)`. */
  readonly drizzle: PostgresJsDatabase
}

export type TransactionOptions = {
  /** Aborts the wait for a connection; on the cancellable pool also what the server is doing. Rolls back. */
  signal?: AbortSignal | undefined
  readOnly?: boolean
  /** `read committed` unless told. Above it conflicts are usual: what is lost is run again, see `attempts`. */
  isolation?: 'read committed' | 'repeatable read' | 'serializable'
  /**
   * How often the work runs at most, the first time included, when it loses a conflict or meets a stale plan; 20 within
   * 5 s unless given. With 1 it runs once, and the server's own error is the caller's (`isRetryableConflict`).
   */
  attempts?: number
  /** Off: the statements of this transaction are not prepared, as for one whose prepared plans were stale. */
  prepare?: boolean
  /** Replaces the role's limit for this transaction (SET LOCAL, so it holds through PgBouncer). */
  statementTimeoutMs?: number
}

type Session = postgres.TransactionSql<Record<string, never>>
type SendOptions = postgres.UnsafeQueryOptions

/**
 * Runs `work` between `begin` and `commit` on a connection that nobody else uses meanwhile.
 *
 * After its connection has died, postgres.js 3.4 would write the `rollback`, or what `work` tries next, into a socket
 * that is no longer there, which throws outside of every promise and ends the process (seen in the tests). So a
 * dead transaction sends nothing more and never returns to postgres.js, which has reported the loss by then.
 */
export async function runTransaction<Result>(
  use: {
    connection: Connection
    sendOptions: SendOptions
    /** Appended to the text of each statement, see `pool.ts`. */
    plans: string
    cancels: boolean
    /** How much longer than its own limit a statement may be silent. */
    marginMs: number
    queried?: ((statement: string, seconds: number) => void) | undefined
    beginTrace?: BeginStatement | undefined
  },
  options: TransactionOptions & { snapshot?: string },
  work: (tx: Transaction) => Promise<Result>,
): Promise<Result> {
  const { signal, statementTimeoutMs } = options
  const { client, watch } = use.connection
  const running = new Set<Running>()
  const cancels: Promise<void>[] = []
  let dead = false
  // What the server refused and a repetition may cure, although the work has caught it or thrown another error for it.
  let lost: unknown

  const abort = () => {
    if (use.cancels) for (const query of running) cancels.push(cancelRunning(use.connection, query))
  }
  signal?.addEventListener('abort', abort, { once: true })
  try {
    const begin = (inside: (session: Session) => Promise<unknown>) => {
      const outcome = client.begin(modeOf(options), inside)
      outcome.catch((error) => {
        dead ||= isBrokenConnection(error)
      })
      return outcome
    }
    const inside = (session: Session) =>
      whileAlive(async () => {
        const setup = setupOf(options)
        if (setup !== '') await issue(session, setup, [], undefined)
        if (statementTimeoutMs !== undefined) watch.allow((statementTimeoutMs || Infinity) + use.marginMs)
        return work(transactionOn(session)).finally(() => watch.allow())
      })
    return (await framed(watch, begin, inside)) as Result
  } catch (error) {
    if (signal?.aborted) throw signal.reason
    const told = translate(error)
    throw isDatabaseUnavailable(told) ? told : (lost ?? told)
  } finally {
    signal?.removeEventListener('abort', abort)
    if (cancels.length > 0) await Promise.all(cancels)
  }

  async function whileAlive<Value>(step: () => Promise<Value>): Promise<Value> {
    try {
      const value = await step()
      // Whoever left must not find later that it was done after all.
      if (signal?.aborted) throw signal.reason
      return dead ? await never<Value>() : value
    } catch (error) {
      if (dead) return never<Value>()
      throw error
    }
  }

  function issue(
    session: Session,
    text: string,
    values: unknown[] | undefined,
    send: SendOptions | undefined,
  ) {
    if (signal?.aborted) throw signal.reason
    if (dead) throw databaseUnavailableError(new Error('The connection of this transaction was lost'))
    const query = session.unsafe(text, values as never[], send)
    running.add(query as Running)
    watch.sent()
    const settle = (error: unknown) => {
      watch.answered()
      running.delete(query as Running)
      dead ||= isBrokenConnection(error)
      if (reasonToRepeat(error) !== undefined) lost ??= error
    }
    query.then(() => settle(undefined), settle)
    return query
  }

  function transactionOn(session: Session): Transaction {
    let orm: PostgresJsDatabase | undefined
    return {
      run: (statement, params) => send(session, statement, params) as Promise<never>,
      first: async (statement, params) => (await send(session, statement, params))[0] as never,
      async bytes(statement, params) {
        const rows = await send(session, statement, params, true)
        return firstBytes(rows)
      },
      get drizzle() {
        orm ??= drizzle(clientFor(session) as unknown as postgres.Sql)
        return orm
      },
    }
  }

  async function send<Params extends object, Row>(
    session: Session,
    statement: Statement<Params, Row>,
    params: Params,
    raw = false,
  ): Promise<unknown[]> {
    const { text, bind } = statement.compiled()
    const started = performance.now()
    const traced = use.beginTrace?.(statement.name, text)
    try {
      const query = issue(session, text + use.plans, bind(params), use.sendOptions)
      const rows = await (raw ? query.raw() : query)
      traced?.end()
      return rows
    } catch (error) {
      traced?.end(error)
      throw translate(error)
    } finally {
      use.queried?.(statement.name, (performance.now() - started) / 1000)
    }
  }

  /**
   * What Drizzle needs of a client. Handed the real one, it would replace its parsers and serializers of moments and
   * JSON for the whole connection; here it finds empty ones to write to, and the guard stays before each statement.
   */
  function clientFor(session: Session): object {
    const savepoint = (step: (client: object) => Promise<unknown>) =>
      framed<Session>(
        watch,
        (inside) => (session as unknown as postgres.TransactionSql<Record<string, never>>).savepoint(inside),
        (inner) => whileAlive(() => step(clientFor(inner))),
      )
    return {
      options: { parsers: {}, serializers: {} },
      unsafe: (text: string, values?: unknown[], send?: SendOptions) =>
        issue(session, text, values ?? [], send),
      // Drizzle begins on the outside and makes savepoints inside; here it is always inside.
      begin: savepoint,
      savepoint,
    }
  }
}

/** Has what postgres.js sends by itself before and after the work (`begin`, `commit`, …) watched as well. */
async function framed<Inner>(
  watch: Watch,
  open: (inside: (inner: Inner) => Promise<unknown>) => Promise<unknown>,
  work: (inner: Inner) => Promise<unknown>,
): Promise<unknown> {
  let isInside = false
  const leave = () => {
    isInside = false
    watch.sent()
  }
  watch.sent()
  try {
    return await open((inner) => {
      isInside = true
      watch.answered()
      return work(inner).finally(leave)
    })
  } finally {
    if (!isInside) watch.answered()
  }
}

/** The first column of the first of rows that were read raw; nothing is an empty buffer. */
export function firstBytes(rows: unknown[]): Buffer {
  const [row] = rows as [Buffer[]?]
  return row?.[0] ?? Buffer.alloc(0)
}

function modeOf({ isolation, readOnly }: TransactionOptions): string {
  return [isolation && `isolation level ${isolation}`, readOnly && 'read only'].filter(Boolean).join(' ')
}

function setupOf(options: TransactionOptions & { snapshot?: string }): string {
  const { snapshot, statementTimeoutMs } = options
  const lines: string[] = []
  // The identifier is the server's own, such as 00000003-0000001B-1.
  if (snapshot !== undefined) lines.push(`set transaction snapshot '${snapshot.replace(/[^0-9A-F-]/gi, '')}'`)
  if (statementTimeoutMs !== undefined)
    lines.push(`set local statement_timeout = ${Math.ceil(statementTimeoutMs)}`)
  return lines.join('; ')
}

function never<Value>(): Promise<Value> {
  return new Promise(() => {})
}
