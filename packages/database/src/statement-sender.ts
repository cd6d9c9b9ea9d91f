import type { UnsafeQueryOptions } from 'postgres'
import { cancelOnAbort } from './cancel.ts'
import type { Connection } from './connection.ts'
import type { Connections } from './connections.ts'
import { databaseUnavailableError, isBrokenConnection, translate } from './errors.ts'
import type { PoolMetrics } from './metrics.ts'
import type { PlanComment } from './plan-comment.ts'
import type { BeginStatement } from './tracing.ts'

/** How the statements of a pool are sent, single ones and those of a transaction. */
export interface SendSettings {
  readonly prepare: boolean
  /** An abort cancels the statement in the server. Only with one statement at a time on a connection. */
  readonly cancels: boolean
  readonly metrics: PoolMetrics | undefined
  readonly beginTrace: BeginStatement | undefined
}

/** A statement with its parameters. */
export interface BoundStatement {
  readonly label: string
  readonly text: string
  readonly values: readonly unknown[]
  readonly readOnly: boolean
  /** Rows arrive undecoded, as buffers. */
  readonly raw: boolean
}

// postgres.js reads `simple` but does not declare it: without it, a statement with no parameters would not be prepared.
const PREPARED: UnsafeQueryOptions = Object.assign({ prepare: true }, { simple: false })
const UNPREPARED: UnsafeQueryOptions = Object.assign({ prepare: false }, { simple: false })

export function queryOptions(prepare: boolean): UnsafeQueryOptions {
  return prepare ? PREPARED : UNPREPARED
}

/** Sends single statements of a pool. */
export class StatementSender {
  readonly #connections: Connections
  readonly #plans: PlanComment
  readonly #settings: SendSettings

  constructor(connections: Connections, plans: PlanComment, settings: SendSettings) {
    this.#connections = connections
    this.#plans = plans
    this.#settings = settings
  }

  /**
   * Sends a statement on the connection with this number, and a read-only one once more if the connection broke. After an abort
   * it settles when the server has answered; with `cancels` the server is asked to stop the statement.
   *
   * @param unprepared an earlier attempt met a stale plan
   * @throws `DB_UNAVAILABLE`, `DB_STATEMENT_TIMEOUT` or `DB_LOCK_TIMEOUT`; the server's error
   */
  async send(
    index: number,
    statement: BoundStatement,
    unprepared: boolean,
    signal: AbortSignal | undefined,
  ): Promise<unknown[]> {
    const { label, text, values, raw } = statement
    const { prepare, cancels, metrics, beginTrace } = this.#settings
    const options = queryOptions(prepare && !unprepared)
    const plans = this.#plans.current
    const startedAt = metrics === undefined ? 0 : performance.now()
    const trace = beginTrace?.(label, text)
    const cancel = cancels ? cancelOnAbort(signal) : undefined
    let mayRepeat = statement.readOnly
    try {
      for (;;) {
        const connection = this.#connections.at(index)
        const { client, watch } = connection
        watch.sent()
        try {
          const query = client.unsafe(text + plans, values as never[], options)
          cancel?.sent(query, connection)
          const rows = await (raw ? query.raw() : query)
          trace?.end()
          return rows
        } catch (error) {
          this.#dropAfter(error, index, connection, plans)
          if (!mayRepeat || signal?.aborted || !isBrokenConnection(error)) throw translate(error, label)
          mayRepeat = false
        } finally {
          watch.answered()
        }
      }
    } catch (error) {
      trace?.end(error)
      throw error
    } finally {
      if (cancel !== undefined) await cancel.close()
      metrics?.queried(label, (performance.now() - startedAt) / 1000)
    }
  }

  /**
   * Replaces the connection or the plan comment if the error shows that it is of no further use.
   *
   * @throws `DB_UNAVAILABLE` when the connection was given up for a reason that another attempt would meet too
   */
  #dropAfter(error: unknown, index: number, connection: Connection, plans: string): void {
    if (connection.lost !== undefined) throw databaseUnavailableError(connection.lost)
    this.#connections.dropIfUnusable(index, connection, error)
    this.#plans.renewAfter(error, plans)
  }
}
