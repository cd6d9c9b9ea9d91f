import { randomBytes } from 'node:crypto'
import { sql } from 'drizzle-orm'
import {
  type Connection,
  type ConnectionOptions,
  cancelRunning,
  createConnection,
  type Running,
} from './connection.ts'
import {
  databaseUnavailableError,
  isBrokenConnection,
  isDatabaseUnavailable,
  isLostConnection,
  isReadOnlyServer,
  translate,
} from './errors.ts'
import { createGate, type Grant } from './gate.ts'
import type { DatabaseMetrics, PoolFigures } from './metrics.ts'
import { type Attempt, isChangedResult, isForgottenStatement, REPEAT_LIMITS, repeated } from './repeat.ts'
import { type Statement, statement } from './statement.ts'
import { createTracing, type StatementRecord } from './tracing.ts'
import { firstBytes, runTransaction, type Transaction, type TransactionOptions } from './transaction.ts'
import { createWatchdog } from './watch.ts'

export type RunOptions = { signal?: AbortSignal | undefined }

export type Pool = {
  /**
   * Sends a statement and gives its rows. A broken connection is answered by sending it once more when it only
   * reads, never when it writes. One that loses a conflict (possible outside of a transaction too, where `serializable` is the
   * default) was rolled back for certain, and is sent again as a transaction is. Throws `DB_POOL_TIMEOUT`, `DB_UNAVAILABLE`,
   * `DB_STATEMENT_TIMEOUT`, `DB_LOCK_TIMEOUT` or `DB_CONFLICT` (all 503), the server's error, or the signal's reason.
   */
  run<Params extends object, Row>(
    statement: Statement<Params, Row>,
    params: Params,
    options?: RunOptions,
  ): Promise<Row[]>
  first<Params extends object, Row>(
    statement: Statement<Params, Row>,
    params: Params,
    options?: RunOptions,
  ): Promise<Row | undefined>
  /** The first column of the first row, undecoded: a view of the socket's memory, to be copied before it is transferred. */
  bytes<Params extends object, Row>(
    statement: Statement<Params, Row>,
    params: Params,
    options?: RunOptions,
  ): Promise<Buffer>
  /**
   * Commits what `work` did, or rolls back when it throws.
   *
   * `work` may run several times: the server rolls a transaction back that loses a conflict against another one, or whose
   * prepared statements no longer fit after `alter table`, and it then runs again from its start. So its only effects are
   * those of `tx`, and what it returns; `attempts: 1` is for one that has others. After a connection that broke at `commit` it
   * never runs again: the outcome is unknown. Throws as `run` does, and what `work` throws.
   */
  transaction<Result>(
    work: (tx: Transaction) => Promise<Result>,
    options?: TransactionOptions,
  ): Promise<Result>
  /**
   * `connections` read-only transactions that see the same data (one exported snapshot), for parts that are read
   * side by side. All connections are taken at once, so two of these never wait for each other half-way. `work` runs once:
   * its caller may put it into `repeated`.
   */
  snapshot<Result>(
    connections: number,
    work: (parts: Transaction[]) => Promise<Result>,
    options?: { signal?: AbortSignal | undefined; statementTimeoutMs?: number; prepare?: boolean },
  ): Promise<Result>
  /** For tools and tests: values become parameters, nothing is a fragment. Labelled `ad_hoc`. */
  sql<Row>(strings: TemplateStringsArray, ...values: unknown[]): Promise<Row[]>
  ping(signal?: AbortSignal): Promise<void>
  stats(): PoolFigures
  close(): Promise<void>
}

export type PoolOptions = ConnectionOptions & {
  name: string
  connections: number
  depth: number
  spread: number
  timeoutMs: number
  /** How long a statement may take in the server: the role's `statement_timeout`. */
  statementLimitMs: number
  /** How much longer a connection may be silent before it is given up. */
  answerMarginMs: number
  /** With `depth` 1: a signal cancels in the server, since nothing else is on the connection. */
  cancels: boolean
  /** Leaves lost conflicts to the caller, who has another server to ask: a standby breaks reads off that block its replay. */
  reportsConflicts?: boolean
  metrics?: DatabaseMetrics | undefined
  record?: ((statement: StatementRecord) => void) | undefined
}

export function createPool(options: PoolOptions): Pool {
  const { name, connections: count, depth, cancels, answerMarginMs } = options
  const connections = new Map<number, Connection>()
  const retired = new Set<Promise<void>>()
  const silenceMs = options.statementLimitMs + answerMarginMs
  const watchdog = createWatchdog(silenceMs)
  const beginTrace = createTracing(name, options.record)
  const metrics = options.metrics?.pool(name, () => ({
    ...stats(),
    open: [...connections.values()].reduce((sum, connection) => sum + connection.open(), 0),
    allowed: count,
  }))
  const gate = createGate({
    name,
    connections: count,
    depth,
    spread: options.spread,
    timeoutMs: options.timeoutMs,
    onWaited: metrics?.waited,
    onRefused: metrics?.refused,
  })
  // `simple` is not declared: without it a statement with no parameters would not be prepared.
  const prepared = { prepare: options.prepare, simple: false }
  const unprepared = { prepare: false, simple: false }
  // A comment behind every statement, none at first. A new one makes each of them another statement for the server and
  // for PgBouncer, which shares prepared statements by their text: so none meets a plan from before `alter table` again.
  let plans = ''

  return {
    run: (statement, params, runOptions) =>
      execute(statement, params, runOptions?.signal, false) as Promise<never>,
    async first(statement, params, runOptions) {
      const rows = await execute(statement, params, runOptions?.signal, false)
      return rows[0] as never
    },
    async bytes(statement, params, runOptions) {
      return firstBytes(await execute(statement, params, runOptions?.signal, true))
    },
    async transaction(work, txOptions = {}) {
      const { signal, attempts } = txOptions
      const once = async ({ unprepared }: Attempt) => {
        const grant = await gate.take({ exclusive: 1 }, signal)
        const [place = 0] = grant.connections
        const own = unprepared ? { ...txOptions, prepare: false } : txOptions
        return hold(grant, begin(place, own, work), signal)
      }
      if (attempts === 1) return once({ number: 1, unprepared: false })
      return repeating(once, signal, attempts === undefined ? REPEAT_LIMITS : { ...REPEAT_LIMITS, attempts })
    },
    async snapshot(parts, work, snapshotOptions = {}) {
      const grant = await gate.take({ exclusive: parts }, snapshotOptions.signal)
      const txOptions = { ...snapshotOptions, isolation: 'repeatable read', readOnly: true } as const
      return hold(grant, openParts(grant.connections, txOptions, work), snapshotOptions.signal)
    },
    async sql(strings, ...values) {
      const adHoc = statement<object, never>('ad_hoc', () =>
        sql(strings, ...values.map((value) => sql.param(value))),
      )
      return execute(adHoc, {}, undefined, false) as Promise<never>
    },
    async ping(signal) {
      await execute(ping, {}, signal, false)
    },
    stats,
    async close() {
      const idle = gate.close(databaseUnavailableError(new Error(`Pool ${name} is closed`)))
      await atMost(closeTimeoutMs, idle)
      const ends = [...connections.values()].map((connection) => connection.end(1))
      await Promise.all([...ends, ...retired])
      watchdog.close()
    },
  }

  function stats(): PoolFigures {
    return { size: count * depth, inUse: gate.inUse(), waiting: gate.waiting() }
  }

  function connectionAt(place: number): Connection {
    let connection = connections.get(place)
    if (connection === undefined) {
      connection = createConnection(options, watchdog, (silent) => {
        metrics?.abandoned()
        discard(place, silent, new Error(`No answer within ${silenceMs} ms`))
      })
      connections.set(place, connection)
    }
    return connection
  }

  /**
   * A connection that broke is thrown away, with its client: postgres.js 3.4 keeps the server's last words (such as
   * "terminating connection due to administrator command") and gives them to the first statement on the next one.
   */
  function discard(place: number, broken: Connection, lost?: unknown): void {
    retire(place, broken, () => broken.destroy(lost))
  }

  function retire(place: number, connection: Connection, end: () => Promise<void>): void {
    if (connections.get(place) !== connection) return
    connections.delete(place)
    const ended = end().then(() => {
      retired.delete(ended)
    })
    retired.add(ended)
  }

  /**
   * What an error says about its connection. One that cannot be made takes with it what waits for it, which would
   * otherwise try again one after the other; one that broke leaves it to each to be repeated.
   */
  function judge(place: number, connection: Connection, error: unknown): void {
    if (isLostConnection(error)) discard(place, connection, isBrokenConnection(error) ? undefined : error)
    else if (isReadOnlyServer(error) || isForgottenStatement(error))
      retire(place, connection, () => connection.end(closeTimeoutMs / 1000))
  }

  /** Each run has a place of its own: during the pause between two, the connection is free for others. */
  function repeating<Result>(
    once: (attempt: Attempt) => Promise<Result>,
    signal: AbortSignal | undefined,
    limits = REPEAT_LIMITS,
  ): Promise<Result> {
    return repeated(once, {
      signal,
      limits,
      onlyStalePlans: options.reportsConflicts ?? false,
      onRepeat: metrics?.repeated,
      onExhausted: metrics?.exhausted,
    })
  }

  /** `used` is what the refused statement was sent with: of several that were refused at once, the first renews. */
  function renewPlans(error: unknown, used: string): void {
    if (plans === used && isChangedResult(error)) plans = ` /* ${randomBytes(4).toString('hex')} */`
  }

  async function execute<Params extends object, Row>(
    statement: Statement<Params, Row>,
    params: Params,
    signal: AbortSignal | undefined,
    raw: boolean,
  ): Promise<unknown[]> {
    signal?.throwIfAborted()
    const { text, bind, readOnly } = statement.compiled()
    const sent = { label: statement.name, text, values: bind(params), readOnly, raw }
    return repeating(async (attempt) => {
      const grant = gate.tryTake('place') ?? (await gate.take('place', signal))
      const [place = 0] = grant.connections
      return hold(grant, send(place, sent, attempt, signal), signal)
    }, signal)
  }

  async function send(
    place: number,
    { label, text, values, readOnly, raw }: Sent,
    attempt: Attempt,
    signal: AbortSignal | undefined,
  ): Promise<unknown[]> {
    const used = plans
    const sendOptions = attempt.unprepared ? unprepared : prepared
    const started = metrics === undefined ? 0 : performance.now()
    const traced = beginTrace?.(label, text)
    let query: Running | undefined
    let cancel: Promise<void> | undefined
    let connection = connectionAt(place)
    const abort = () => {
      if (query !== undefined) cancel = cancelRunning(connection, query)
    }
    if (cancels) signal?.addEventListener('abort', abort, { once: true })
    try {
      for (let mayRepeat = readOnly; ; mayRepeat = false) {
        const { client, watch } = connection
        watch.sent()
        try {
          const pending = client.unsafe(text + used, values as never[], sendOptions)
          query = pending as Running
          const rows = await (raw ? pending.raw() : pending)
          traced?.end()
          return rows
        } catch (error) {
          if (connection.lost !== undefined) throw databaseUnavailableError(connection.lost)
          judge(place, connection, error)
          renewPlans(error, used)
          if (!mayRepeat || signal?.aborted || !isBrokenConnection(error)) throw translate(error)
        } finally {
          watch.answered()
        }
        connection = connectionAt(place)
      }
    } catch (error) {
      traced?.end(error)
      throw error
    } finally {
      signal?.removeEventListener('abort', abort)
      if (cancel !== undefined) await cancel
      metrics?.queried(label, (performance.now() - started) / 1000)
    }
  }

  async function begin<Result>(
    place: number,
    txOptions: TransactionOptions & { snapshot?: string },
    work: (tx: Transaction) => Promise<Result>,
  ): Promise<Result> {
    const connection = connectionAt(place)
    const used = plans
    try {
      const use = {
        connection,
        sendOptions: txOptions.prepare === false ? unprepared : prepared,
        plans: used,
        cancels,
        marginMs: answerMarginMs,
        queried: metrics?.queried,
        beginTrace,
      }
      return await runTransaction(use, txOptions, work)
    } catch (error) {
      renewPlans(error, used)
      if (isForgottenStatement(error)) judge(place, connection, error)
      if (!isDatabaseUnavailable(error)) throw error
      if (connection.lost !== undefined) throw databaseUnavailableError(connection.lost)
      judge(place, connection, (error as Error).cause)
      throw error
    }
  }

  function openParts<Result>(
    places: number[],
    txOptions: TransactionOptions,
    work: (parts: Transaction[]) => Promise<Result>,
  ): Promise<Result> {
    const [first = 0, ...others] = places
    return begin(first, txOptions, async (tx) => {
      const exported = await tx.first(exportSnapshot, {})
      const open = (parts: Transaction[]): Promise<Result> => {
        const place = others[parts.length - 1]
        if (place === undefined) return work(parts)
        return begin(place, { ...txOptions, snapshot: exported?.snapshot ?? '' }, (part) =>
          open([...parts, part]),
        )
      }
      return open([tx])
    })
  }
}

/** A statement on its way. */
type Sent = { label: string; text: string; values: unknown[]; readOnly: boolean; raw: boolean }

const closeTimeoutMs = 5000

const ping = statement<object, { one: number }>('ping', () => sql`select 1 as one`)

const exportSnapshot = statement<object, { snapshot: string }>(
  'export_snapshot',
  () => sql`select pg_export_snapshot() as snapshot`,
)

/**
 * Keeps the grant until the work has really ended, which after an abort may be later than the caller hears of it:
 * the connection is not free before that.
 */
function hold<Result>(grant: Grant, work: Promise<Result>, signal: AbortSignal | undefined): Promise<Result> {
  work.then(grant.release, grant.release)
  if (signal === undefined) return work
  return new Promise((resolve, reject) => {
    const abort = () => reject(signal.reason)
    signal.addEventListener('abort', abort, { once: true })
    if (signal.aborted) abort()
    const settle = () => signal.removeEventListener('abort', abort)
    work.then(
      (value) => {
        settle()
        resolve(value)
      },
      (error) => {
        settle()
        reject(signal.aborted ? signal.reason : error)
      },
    )
  })
}

async function atMost(ms: number, work: Promise<void>): Promise<void> {
  const { promise: late, resolve } = Promise.withResolvers<void>()
  const timer = setTimeout(resolve, ms)
  await Promise.race([work, late])
  clearTimeout(timer)
}
