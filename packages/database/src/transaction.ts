import { drizzle, type PostgresJsDatabase } from 'drizzle-orm/postgres-js'
import type postgres from 'postgres'
import { type CancelOnAbort, cancelOnAbort } from './cancel.ts'
import type { Connection } from './connection.ts'
import { databaseUnavailableError, isBrokenConnection, isDatabaseUnavailable, translate } from './errors.ts'
import { reasonToRepeat } from './repeat.ts'
import type { Statement } from './statement.ts'
import { queryOptions, type SendSettings } from './statement-sender.ts'
import type { Watch } from './watchdog.ts'

export interface Transaction {
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

export interface TransactionOptions {
  /** Aborts the wait for a connection; on the cancellable pool also the statement in flight. Rolls back. */
  signal?: AbortSignal | undefined
  readOnly?: boolean
  /** Default `read committed`. Conflicts are usual above it: the work then runs again, see `attempts`. */
  isolation?: 'read committed' | 'repeatable read' | 'serializable'
  /**
   * How often the work runs at most, the first time included, when it loses a conflict or meets a stale plan. Default: 20 times
   * within 5 s. With 1 the caller gets the server's own error (`isRetryableConflict`).
   */
  attempts?: number
  /** `false`: the statements of this transaction are not prepared, as after a stale plan. */
  prepare?: boolean
  /** Replaces the role's limit for this transaction, by SET LOCAL, which PgBouncer passes on. */
  statementTimeoutMs?: number
}

export interface TransactionSettings extends TransactionOptions {
  /** A snapshot that another transaction exports. */
  readonly snapshot?: string
}

/** What the pool gives to a transaction. */
export interface TransactionContext extends SendSettings {
  readonly connection: Connection
  /** Appended to the text of each statement, see `PlanComment`. */
  readonly plans: string
  /** How much longer than its own time limit a statement may be silent. */
  readonly marginMs: number
}

type Session = postgres.TransactionSql<Record<string, never>>

/**
 * Runs `work` between `begin` and `commit` on a connection that carries nothing else meanwhile.
 *
 * @throws the signal's reason after an abort; `DB_UNAVAILABLE`; the refusal that a repetition may cure; what `work` throws
 */
export function runTransaction<Result>(
  context: TransactionContext,
  settings: TransactionSettings,
  work: (tx: Transaction) => Promise<Result>,
): Promise<Result> {
  return new TransactionRun(context, settings).run(work)
}

class TransactionRun {
  readonly #context: TransactionContext
  readonly #settings: TransactionSettings
  readonly #watch: Watch
  readonly #cancel: CancelOnAbort | undefined
  /**
   * After its connection was lost, postgres.js 3.4 writes the `rollback`, or the next statement of the work, into a socket that
   * is gone. That throws outside of every promise and ends the process. So the work neither sends anything more nor returns to
   * postgres.js, which has reported the loss already.
   */
  #isConnectionLost = false
  /** The server's refusal that a repetition may cure, kept because the work may catch it or throw another error for it. */
  #repeatable: unknown

  constructor(context: TransactionContext, settings: TransactionSettings) {
    const { signal } = settings
    this.#context = context
    this.#settings = settings
    this.#watch = context.connection.watch
    this.#cancel = context.cancels ? cancelOnAbort(signal) : undefined
  }

  async run<Result>(work: (tx: Transaction) => Promise<Result>): Promise<Result> {
    const { signal } = this.#settings
    try {
      return (await watched<Session>(
        this.#watch,
        (inside) => this.#begin(inside),
        (session) => this.#whileConnected(() => this.#inside(session, work)),
      )) as Result
    } catch (error) {
      if (signal?.aborted) throw signal.reason
      const translated = translate(error)
      throw isDatabaseUnavailable(translated) ? translated : (this.#repeatable ?? translated)
    } finally {
      if (this.#cancel !== undefined) await this.#cancel.close()
    }
  }

  #begin(inside: (session: Session) => Promise<unknown>): Promise<unknown> {
    const outcome = this.#context.connection.client.begin(modeOf(this.#settings), inside)
    outcome.catch((error) => this.#noteFailure(error))
    return outcome
  }

  async #inside<Result>(session: Session, work: (tx: Transaction) => Promise<Result>): Promise<Result> {
    const { statementTimeoutMs } = this.#settings
    const setup = setupOf(this.#settings)
    if (setup !== '') await this.#issue(session, setup, [], undefined)
    if (statementTimeoutMs === undefined) return work(this.#transactionOn(session))
    this.#watch.setLimit((statementTimeoutMs || Infinity) + this.#context.marginMs)
    return work(this.#transactionOn(session)).finally(() => this.#watch.setLimit())
  }

  /** Never settles once the connection is lost. */
  async #whileConnected<Value>(step: () => Promise<Value>): Promise<Value> {
    const { signal } = this.#settings
    try {
      const value = await step()
      // The caller has aborted: roll back, never commit after reporting an abort.
      if (signal?.aborted) throw signal.reason
      return this.#isConnectionLost ? await never<Value>() : value
    } catch (error) {
      if (this.#isConnectionLost) return never<Value>()
      throw error
    }
  }

  #issue(
    session: Session,
    text: string,
    values: readonly unknown[],
    options: postgres.UnsafeQueryOptions | undefined,
  ) {
    const { signal } = this.#settings
    if (signal?.aborted) throw signal.reason
    if (this.#isConnectionLost) {
      throw databaseUnavailableError(new Error('The connection of this transaction was lost'))
    }
    const query = session.unsafe(text, values as never[], options)
    this.#cancel?.sent(query, this.#context.connection)
    this.#watch.sent()
    const settle = () => {
      this.#watch.answered()
      this.#cancel?.answered(query)
    }
    query.then(settle, (error: unknown) => {
      settle()
      this.#noteFailure(error)
      if (reasonToRepeat(error) !== undefined) this.#repeatable ??= error
    })
    return query
  }

  #noteFailure(error: unknown): void {
    this.#isConnectionLost ||= isBrokenConnection(error)
  }

  async #send(
    session: Session,
    statement: Statement<object, unknown>,
    params: object,
    raw: boolean,
  ): Promise<unknown[]> {
    const { plans, prepare, metrics, beginTrace } = this.#context
    const { text, bind } = statement.compiled()
    const startedAt = performance.now()
    const trace = beginTrace?.(statement.name, text)
    try {
      const options = queryOptions(prepare && this.#settings.prepare !== false)
      const query = this.#issue(session, text + plans, bind(params), options)
      const rows = await (raw ? query.raw() : query)
      trace?.end()
      return rows
    } catch (error) {
      trace?.end(error)
      throw translate(error)
    } finally {
      metrics?.queried(statement.name, (performance.now() - startedAt) / 1000)
    }
  }

  #transactionOn(session: Session): Transaction {
    let orm: PostgresJsDatabase | undefined
    const ormOf = () => {
      orm ??= drizzle(this.#clientFor(session) as postgres.Sql)
      return orm
    }
    return {
      run: (statement, params) => this.#send(session, statement, params, false) as Promise<never>,
      first: async (statement, params) => (await this.#send(session, statement, params, false))[0] as never,
      bytes: async (statement, params) => firstBytes(await this.#send(session, statement, params, true)),
      get drizzle() {
        return ormOf()
      },
    }
  }

  /**
   * The parts of a client that Drizzle needs. With the real one, Drizzle would replace its parsers and serializers of timestamps
   * and JSON for the whole connection. Here it writes to empty ones, and each statement goes through `#issue`.
   */
  #clientFor(session: Session): object {
    const savepoint = (step: (client: object) => Promise<unknown>) =>
      watched<Session>(
        this.#watch,
        (inside) => session.savepoint(inside as never),
        (inner) => this.#whileConnected(() => step(this.#clientFor(inner))),
      )
    return {
      options: { parsers: {}, serializers: {} },
      unsafe: (text: string, values: unknown[] = [], options?: postgres.UnsafeQueryOptions) =>
        this.#issue(session, text, values, options),
      // Drizzle calls `begin` outside of a transaction, and `savepoint` inside; here it is always inside.
      begin: savepoint,
      savepoint,
    }
  }
}

/** Watches the statements too that postgres.js sends by itself before and after the work (`begin`, `commit` …). */
async function watched<Inner>(
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

/** The first column of the first of the rows, which were read raw; an empty buffer when there is none. */
export function firstBytes(rows: readonly unknown[]): Buffer {
  const [row] = rows as [Buffer[]?]
  return row?.[0] ?? Buffer.alloc(0)
}

function modeOf({ isolation, readOnly }: TransactionOptions): string {
  return [isolation && `isolation level ${isolation}`, readOnly && 'read only'].filter(Boolean).join(' ')
}

function setupOf({ snapshot, statementTimeoutMs }: TransactionSettings): string {
  const statements: string[] = []
  // The identifier comes from the server, such as 00000003-0000001B-1.
  if (snapshot !== undefined)
    statements.push(`set transaction snapshot '${snapshot.replace(/[^0-9A-F-]/gi, '')}'`)
  if (statementTimeoutMs !== undefined)
    statements.push(`set local statement_timeout = ${Math.ceil(statementTimeoutMs)}`)
  return statements.join('; ')
}

function never<Value>(): Promise<Value> {
  return new Promise(() => {})
}
