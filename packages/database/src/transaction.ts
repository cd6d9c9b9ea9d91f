import { drizzle, type PostgresJsDatabase } from 'drizzle-orm/postgres-js'
import type postgres from 'postgres'
import { type CancelOnAbort, cancelOnAbort } from './cancel.ts'
import type { Connection } from './connection.ts'
import { databaseUnavailableError, isBrokenConnection, isDatabaseUnavailable, translate } from './errors.ts'
import { reasonToRepeat } from './repeat.ts'
import { liftTransactionLimit } from './role-settings.ts'
import type { Statement } from './statement.ts'
import { queryOptions, type SendSettings } from './statement-sender.ts'
import type { Watch } from './watchdog.ts'

export interface Transaction {
  run<Params extends object, Row>(statement: Statement<Params, Row>, params: Params): Promise<Row[]>
  first<Params extends object, Row>(
    statement: Statement<Params, Row>,
    params: Params,
  ): Promise<Row | undefined>
  /** The first column of the first row, undecoded: a view of the socket's read buffer, see `Pool.bytes`. */
  bytes<Params extends object, Row>(statement: Statement<Params, Row>, params: Params): Promise<Buffer>
  /** Drizzle on this transaction, for a library that takes part in it. */
  readonly drizzle: PostgresJsDatabase
}

export interface TransactionOptions {
  /** An abort ends the wait for a connection and rolls back. On the cancellable pool it also stops the statement in flight. */
  signal?: AbortSignal | undefined
  /**
   * In place of `signal` for the wait for a connection: an abort ends the wait, and a transaction that has begun runs to its end. For
   * writes, whose client must not leave the outcome open.
   */
  waitSignal?: AbortSignal | undefined
  readOnly?: boolean
  /** Default `read committed`. The higher levels make conflicts common: the work then runs again, see `attempts`. */
  isolation?: 'read committed' | 'repeatable read' | 'serializable'
  /**
   * How often the work runs at most, the first time included, when it loses a conflict or meets a stale plan. Default: 20 times
   * within 5 s. With 1 the server's own error is thrown, for which `isRetryableConflict` is true.
   */
  attempts?: number
  /** `false`: the statements of this transaction are not prepared, as after a stale plan. */
  prepare?: boolean
  /**
   * Replaces the role's `statement_timeout` for this transaction, by SET LOCAL, which works through PgBouncer, and lifts the role's
   * `transaction_timeout`. 0: no limit.
   */
  statementTimeoutMs?: number
}

export interface TransactionSettings extends TransactionOptions {
  /** The id of a snapshot that another open transaction has exported. */
  readonly snapshot?: string
}

/** What a transaction gets from its pool. */
export interface TransactionContext extends SendSettings {
  readonly connection: Connection
  /** Appended to the text of each statement, see `PlanComment`. */
  readonly plans: string
  /** How much longer than its own time limit a statement may be silent. */
  readonly marginMs: number
}

type Session = postgres.TransactionSql<Record<string, never>>

/**
 * Runs `work` between `begin` and `commit` on a connection that carries no other statement meanwhile.
 *
 * @throws the signal's reason after an abort; `DB_UNAVAILABLE`; the server's error for which `reasonToRepeat` has a reason, even
 *   if `work` throws another one; what `work` throws
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
   * After the connection was lost, postgres.js 3.4 would write the `rollback`, or the next statement of the work, into a socket
   * that no longer exists. That throws outside of every promise and ends the process. So nothing more is sent, and the work never
   * returns to postgres.js, whose own promise has rejected already.
   */
  #isConnectionLost = false
  /** The server's first error that has a reason to repeat. Kept, because the work may catch it or throw another error instead. */
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
        (body) => this.#begin(body),
        (session) => this.#whileConnected(() => this.#runWork(session, work)),
      )) as Result
    } catch (error) {
      if (signal?.aborted) throw signal.reason
      const translated = translate(error)
      throw isDatabaseUnavailable(translated) ? translated : (this.#repeatable ?? translated)
    } finally {
      if (this.#cancel !== undefined) await this.#cancel.close()
    }
  }

  /** @param body runs between `begin` and `commit`, which postgres.js sends */
  #begin(body: (session: Session) => Promise<unknown>): Promise<unknown> {
    const outcome = this.#context.connection.client.begin(modeOf(this.#settings), body)
    // Rejects as soon as the connection is lost, also while the work waits for something else.
    outcome.catch((error) => this.#noteFailure(error))
    return outcome
  }

  /** Sends the settings of the transaction, then runs the work within the limit of its statements. */
  async #runWork<Result>(session: Session, work: (tx: Transaction) => Promise<Result>): Promise<Result> {
    const { statementTimeoutMs } = this.#settings
    const setup = setupOf(this.#settings)
    if (setup !== '') await this.#sendText(session, setup, [], undefined)
    if (statementTimeoutMs === undefined) return work(this.#transactionOn(session))
    // 0 stands for no limit, in Postgres and here.
    this.#watch.setLimit((statementTimeoutMs || Infinity) + this.#context.marginMs)
    return work(this.#transactionOn(session)).finally(() => this.#watch.setLimit())
  }

  /** Runs a step whose end postgres.js follows with `commit` or `rollback`. Never settles once the connection is lost. */
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

  /** Sends one text. Notes a lost connection, and the first error that has a reason to repeat. */
  #sendText(
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

  /** Sends a statement of the work, with its trace and metrics. */
  async #sendStatement(
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
      const query = this.#sendText(session, text + plans, bind(params), options)
      const rows = await (raw ? query.raw() : query)
      trace?.end()
      return rows
    } catch (error) {
      trace?.end(error)
      throw translate(error, statement.name)
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
      run: (statement, params) => this.#sendStatement(session, statement, params, false) as Promise<never>,
      first: async (statement, params) =>
        (await this.#sendStatement(session, statement, params, false))[0] as never,
      bytes: async (statement, params) =>
        firstBytes(await this.#sendStatement(session, statement, params, true)),
      get drizzle() {
        return ormOf()
      },
    }
  }

  /**
   * A stand-in for the client of postgres.js, with the parts that Drizzle uses. On the real client Drizzle would replace the
   * parsers and serializers of timestamps and JSON for the whole connection; here it replaces entries of empty objects. Each
   * statement goes through `#sendText`.
   */
  #clientFor(session: Session): object {
    const savepoint = (step: (client: object) => Promise<unknown>) =>
      watched<Session>(
        this.#watch,
        (body) => session.savepoint(body as never),
        (inner) => this.#whileConnected(() => step(this.#clientFor(inner))),
      )
    return {
      options: { parsers: {}, serializers: {} },
      unsafe: (text: string, values: unknown[] = [], options?: postgres.UnsafeQueryOptions) =>
        this.#sendText(session, text, values, options),
      // Drizzle calls `begin` outside of a transaction, and `savepoint` inside; here it is always inside.
      begin: savepoint,
      savepoint,
    }
  }
}

/**
 * Has the watchdog also watch the statements that postgres.js itself sends before and after the work: `begin` and `commit`, or
 * `savepoint` and its release. The server owes an answer until the work begins, and again from the end of the work. If the
 * connection is lost during the work, the work never ends, and no answer is due.
 *
 * @param open sends the first statement, runs the body that it receives, and sends the last statement
 */
async function watched<Inner>(
  watch: Watch,
  open: (body: (inner: Inner) => Promise<unknown>) => Promise<unknown>,
  work: (inner: Inner) => Promise<unknown>,
): Promise<unknown> {
  let isWorking = false
  const endWork = () => {
    isWorking = false
    watch.sent()
  }
  watch.sent()
  try {
    return await open((inner) => {
      isWorking = true
      watch.answered()
      return work(inner).finally(endWork)
    })
  } finally {
    if (!isWorking) watch.answered()
  }
}

/** The first column of the first row, from rows that were read undecoded; an empty buffer without a row. */
export function firstBytes(rows: readonly unknown[]): Buffer {
  const [row] = rows as [Buffer[]?]
  return row?.[0] ?? Buffer.alloc(0)
}

/** The mode of `begin`, such as `isolation level serializable read only`. */
function modeOf({ isolation, readOnly }: TransactionOptions): string {
  return [isolation && `isolation level ${isolation}`, readOnly && 'read only'].filter(Boolean).join(' ')
}

/** The statements that precede the work, as one text; '' without any. */
function setupOf({ snapshot, statementTimeoutMs }: TransactionSettings): string {
  const statements: string[] = []
  // The id comes from the server, such as 00000003-0000001B-1. A parameter is not possible in this statement.
  if (snapshot !== undefined)
    statements.push(`set transaction snapshot '${snapshot.replace(/[^0-9A-F-]/gi, '')}'`)
  if (statementTimeoutMs !== undefined)
    statements.push(`set local statement_timeout = ${Math.ceil(statementTimeoutMs)}`, liftTransactionLimit())
  return statements.join('; ')
}

function never<Value>(): Promise<Value> {
  return new Promise(() => {})
}
