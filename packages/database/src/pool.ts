import { abortable, settlesWithin } from '@reference/async'
import { sql } from 'drizzle-orm'
import type { ConnectionOptions } from './connection.ts'
import { ConnectionSemaphore, type Permit } from './connection-semaphore.ts'
import { CLOSE_TIMEOUT_MS, Connections } from './connections.ts'
import { databaseUnavailableError, isDatabaseUnavailable } from './errors.ts'
import type { DatabaseMetrics, PoolFigures } from './metrics.ts'
import { PlanComment } from './plan-comment.ts'
import { type Attempt, isForgottenStatement, REPEAT_LIMITS, type RepeatLimits, repeated } from './repeat.ts'
import { openSnapshot } from './snapshot.ts'
import { type Statement, statement } from './statement.ts'
import { type BoundStatement, type SendSettings, StatementSender } from './statement-sender.ts'
import { createTracing, type StatementRecord } from './tracing.ts'
import {
  firstBytes,
  runTransaction,
  type Transaction,
  type TransactionOptions,
  type TransactionSettings,
} from './transaction.ts'

export interface RunOptions {
  signal?: AbortSignal | undefined
  /** Sent before all that waits for a connection: for a readiness check, which must not fail because the service is busy. */
  urgent?: boolean | undefined
}

export interface SnapshotOptions extends RunOptions {
  statementTimeoutMs?: number
  prepare?: boolean
}

export interface Pool {
  /**
   * Sends a statement and returns its rows.
   *
   * After the connection broke, a read is sent once more and a write never. A statement that loses a conflict was rolled back by
   * the server, so it is repeated, within the limits of a transaction. (A single statement can lose one if the role's default
   * isolation is `serializable`.)
   *
   * When the server stops answering, also new connections, every statement fails within 5 s, and later ones at once.
   *
   * @throws `DB_POOL_TIMEOUT`, `DB_UNAVAILABLE`, `DB_STATEMENT_TIMEOUT`, `DB_LOCK_TIMEOUT` or `DB_CONFLICT` (all 503); the
   *   server's error; the signal's reason
   */
  run<Params extends object, Row>(
    statement: Statement<Params, Row>,
    params: Params,
    options?: RunOptions,
  ): Promise<Row[]>
  /** As `run`, for the first row. */
  first<Params extends object, Row>(
    statement: Statement<Params, Row>,
    params: Params,
    options?: RunOptions,
  ): Promise<Row | undefined>
  /**
   * The first column of the first row, undecoded. It is a view of the socket's read buffer: copy it before it is transferred to
   * another thread.
   */
  bytes<Params extends object, Row>(
    statement: Statement<Params, Row>,
    params: Params,
    options?: RunOptions,
  ): Promise<Buffer>
  /**
   * Runs `work` in a transaction: commits, or rolls back when `work` throws.
   *
   * `work` may run several times. The server rolls back a transaction that loses a conflict, or whose prepared statements no
   * longer fit after `alter table`; the work then runs again from its start. So its only effects must be those of `tx` and its
   * result; use `attempts: 1` for work with other effects. If the connection breaks at `commit`, the outcome is unknown and the
   * work never runs again.
   *
   * @throws as `run` does; what `work` throws
   */
  transaction<Result>(
    work: (tx: Transaction) => Promise<Result>,
    options?: TransactionOptions,
  ): Promise<Result>
  /**
   * Runs `work` with read-only transactions on several connections that see the same data, so that parts can be read in parallel.
   * All connections are taken at once, so two calls cannot deadlock. `work` runs once; to repeat it after a conflict, wrap the
   * call in `repeated`.
   *
   * @param connections how many connections, and so how many `parts`
   */
  snapshot<Result>(
    connections: number,
    work: (parts: Transaction[]) => Promise<Result>,
    options?: SnapshotOptions,
  ): Promise<Result>
  /** For tools and tests. Every value becomes a parameter, never a part of the text. Labelled `ad_hoc` in the metrics. */
  sql<Row>(strings: TemplateStringsArray, ...values: unknown[]): Promise<Row[]>
  /** Resolves when the server answers `select 1`. */
  ping(signal?: AbortSignal): Promise<void>
  stats(): PoolFigures
  /** Refuses new work, lets work in flight finish for up to 5 s, closes all connections. */
  close(): Promise<void>
}

export interface PoolOptions extends ConnectionOptions {
  name: string
  connections: number
  /** Statements in flight on one connection. */
  depth: number
  /** How many connections are filled evenly before further ones are opened. */
  spread: number
  /** How long a statement may wait to be sent. */
  timeoutMs: number
  /** How long a statement may take in the server: the role's `statement_timeout`. */
  statementLimitMs: number
  /** How much longer a connection may be silent before it is given up. */
  answerMarginMs: number
  /** An abort cancels the statement in the server. Only with `depth` 1: a cancel must not stop another statement. */
  cancels: boolean
  /** Throw a lost conflict, do not repeat it. For a standby, which cancels reads that block its replay: the primary answers. */
  reportsConflicts?: boolean
  metrics?: DatabaseMetrics | undefined
  record?: ((statement: StatementRecord) => void) | undefined
}

/** Long against a login nearby, and short against the login to another region (figures in the README). */
const OPEN_INTERVAL_MS = 10

const PING = statement<object, { one: number }>('ping', () => sql`select 1 as one`)

/** Creates a pool. It connects at the first statement. */
export function createPool(options: PoolOptions): Pool {
  return new PostgresPool(options)
}

/**
 * - A statement: `#execute` → a permit for one slot of a connection → `StatementSender` → the connection.
 * - A transaction: `transaction` → a permit for a whole connection → `#begin` → `runTransaction`.
 *
 * `repeated` repeats both, each attempt from the permit on.
 */
class PostgresPool implements Pool {
  readonly #options: PoolOptions
  readonly #semaphore: ConnectionSemaphore
  readonly #connections: Connections
  readonly #plans = new PlanComment()
  readonly #sending: SendSettings
  readonly #sender: StatementSender

  constructor(options: PoolOptions) {
    const { name, connections, depth, spread, timeoutMs, prepare, cancels, record } = options
    const metrics = options.metrics?.pool(name, () => ({
      ...this.stats(),
      open: this.#connections.openCount(),
      allowed: connections,
    }))
    this.#options = options
    this.#semaphore = new ConnectionSemaphore({
      ...{ name, connections, depth, spread, timeoutMs, openIntervalMs: OPEN_INTERVAL_MS },
      onWaited: metrics?.waited,
      onRefused: metrics?.refused,
    })
    const silenceMs = options.statementLimitMs + options.answerMarginMs
    this.#connections = new Connections(options, silenceMs, {
      onAbandoned: metrics?.abandoned,
      onUnreachable: (error) => this.#semaphore.failWaiting(databaseUnavailableError(error)),
      onOpened: (index) => this.#semaphore.opened(index),
      onClosed: (index) => this.#semaphore.closed(index),
    })
    this.#sending = { prepare, cancels, metrics, beginTrace: createTracing(name, record) }
    this.#sender = new StatementSender(this.#connections, this.#plans, this.#sending)
  }

  run<Params extends object, Row>(statement: Statement<Params, Row>, params: Params, options?: RunOptions) {
    return this.#execute(statement, params, options, false) as Promise<Row[]>
  }

  async first<Params extends object, Row>(
    statement: Statement<Params, Row>,
    params: Params,
    options?: RunOptions,
  ) {
    const [row] = await this.#execute(statement, params, options, false)
    return row as Row | undefined
  }

  async bytes<Params extends object, Row>(
    statement: Statement<Params, Row>,
    params: Params,
    options?: RunOptions,
  ) {
    return firstBytes(await this.#execute(statement, params, options, true))
  }

  async transaction<Result>(
    work: (tx: Transaction) => Promise<Result>,
    options: TransactionOptions = {},
  ): Promise<Result> {
    const { signal, waitSignal = signal, attempts = REPEAT_LIMITS.attempts } = options
    const attempt = async ({ unprepared }: Attempt) => {
      this.#connections.throwIfUnreachable()
      const permit = await this.#semaphore.acquire({ exclusive: 1 }, { signal: waitSignal })
      const [index = 0] = permit.connections
      const settings = unprepared ? { ...options, prepare: false } : options
      return releaseAfter(permit, this.#begin(index, settings, work), signal)
    }
    if (attempts === 1) return attempt({ number: 1, unprepared: false })
    return this.#repeated(attempt, signal, { ...REPEAT_LIMITS, attempts })
  }

  async snapshot<Result>(
    connections: number,
    work: (parts: Transaction[]) => Promise<Result>,
    options: SnapshotOptions = {},
  ): Promise<Result> {
    this.#connections.throwIfUnreachable()
    const permit = await this.#semaphore.acquire({ exclusive: connections }, { signal: options.signal })
    const opened = openSnapshot(this.#begin, permit.connections, options, work)
    return releaseAfter(permit, opened, options.signal)
  }

  /** Bound to the pool, because a tag is often passed on by itself. */
  readonly sql = <Row>(strings: TemplateStringsArray, ...values: unknown[]) => {
    const parameters = values.map((value) => sql.param(value))
    const adHoc = statement<object, Row>('ad_hoc', () => sql(strings, ...parameters))
    return this.run(adHoc, {})
  }

  async ping(signal?: AbortSignal) {
    await this.run(PING, {}, { signal, urgent: true })
  }

  stats(): PoolFigures {
    const { connections, depth } = this.#options
    const { inUse, waiting } = this.#semaphore
    return { size: connections * depth, inUse, waiting }
  }

  async close() {
    const closed = databaseUnavailableError(new Error(`Pool ${this.#options.name} is closed`))
    await settlesWithin(this.#semaphore.close(closed), CLOSE_TIMEOUT_MS)
    await this.#connections.close()
  }

  async #execute<Params extends object, Row>(
    statement: Statement<Params, Row>,
    params: Params,
    options: RunOptions | undefined,
    raw: boolean,
  ): Promise<unknown[]> {
    const signal = options?.signal
    signal?.throwIfAborted()
    this.#connections.throwIfUnreachable()
    const { text, bind, readOnly } = statement.compiled()
    const bound = { label: statement.name, text, values: bind(params), readOnly, raw }
    // The usual case: a slot is free, and no promise is created for the wait.
    const attempt = ({ unprepared }: Attempt) => {
      const permit = this.#semaphore.tryAcquire('slot')
      if (permit !== undefined) return this.#send(permit, bound, unprepared, signal)
      const acquired = this.#semaphore.acquire('slot', options)
      return acquired.then((granted) => this.#send(granted, bound, unprepared, signal))
    }
    return this.#repeated(attempt, signal, REPEAT_LIMITS)
  }

  /** Each attempt takes a permit of its own, so that other statements can use the slot during the pause between attempts. */
  #repeated<Result>(
    attempt: (attempt: Attempt) => Promise<Result>,
    signal: AbortSignal | undefined,
    limits: RepeatLimits,
  ): Promise<Result> {
    const { reportsConflicts = false } = this.#options
    const { metrics } = this.#sending
    return repeated(attempt, {
      signal,
      limits,
      onlyStalePlans: reportsConflicts,
      onRepeat: metrics?.repeated,
      onExhausted: metrics?.exhausted,
    })
  }

  #send(permit: Permit, statement: BoundStatement, unprepared: boolean, signal: AbortSignal | undefined) {
    const [index = 0] = permit.connections
    return releaseAfter(permit, this.#sender.send(index, statement, unprepared, signal), signal)
  }

  /** Runs a transaction on a whole connection, and replaces the connection if the error shows that it is of no further use. */
  readonly #begin = async <Result>(
    index: number,
    settings: TransactionSettings,
    work: (tx: Transaction) => Promise<Result>,
  ): Promise<Result> => {
    const connection = this.#connections.at(index)
    const plans = this.#plans.current
    const context = { ...this.#sending, connection, plans, marginMs: this.#options.answerMarginMs }
    try {
      return await runTransaction(context, settings, work)
    } catch (error) {
      this.#plans.renewAfter(error, plans)
      if (isForgottenStatement(error)) this.#connections.dropIfUnusable(index, connection, error)
      if (!isDatabaseUnavailable(error)) throw error
      // The connection was given up, as by the watchdog: report that reason.
      if (connection.lost !== undefined) throw databaseUnavailableError(connection.lost)
      // `runTransaction` has translated the driver's error, which is now the cause.
      this.#connections.dropIfUnusable(index, connection, (error as Error).cause)
      throw error
    }
  }
}

/**
 * Releases the permit when the work has ended. After an abort the caller gets the signal's reason at once, but the connection is
 * not free until the work has ended.
 */
function releaseAfter<Result>(
  permit: Permit,
  work: Promise<Result>,
  signal: AbortSignal | undefined,
): Promise<Result> {
  work.then(permit.release, permit.release)
  return abortable(work, signal)
}
