import type { Registry } from '@prometheus-io/client'
import { sql } from 'drizzle-orm'
import { isDatabaseUnavailable } from './errors.ts'
import { createDatabaseMetrics, type PoolFigures } from './metrics.ts'
import { createPool, type Pool, type PoolOptions } from './pool.ts'
import { ROLE_STATEMENT_TIMEOUT_MS } from './role-settings.ts'
import { withFallback } from './routing.ts'
import { createRowReader, type RowLookup, type RowReader } from './row-reader.ts'
import { cacheOutbox } from './schema.ts'
import { createSessionCheck, type OnSettings } from './session-check.ts'
import { statement } from './statement.ts'
import { type StatementRecord, traceRecords } from './tracing.ts'

/**
 * 64 callers that read a user by id, up to 30 connections, Postgres on the same 2 cores, medians of 5 interleaved rounds: 17.5 k/s
 * with one statement a connection, 26 k/s with 8 over all 30, 36 k/s with 8 over 4 first, 42 k/s over a single one. With a page of 50
 * orders as every fourth call: 9, 10, 15 and 17 k/s. Four instead of one, because one connection is one process of Postgres, in
 * which each statement waits for the previous ones.
 */
const PIPELINE = { depth: 8, spread: 4 }

const HAS_TABLES = statement<object, object>('ready', () => sql`select from ${cacheOutbox} limit 0`)

export interface PoolSizes {
  /** Connections of the main pool, and of the replica's. */
  readonly connections: number
  /** How long a statement may wait to be sent. */
  readonly timeoutMs: number
  /** Idle connections are closed after this; `undefined`: never. */
  readonly idleSeconds: number | undefined
  /** Connections are closed when they are this old. */
  readonly lifetimeSeconds: number
  /** Connections of the pool whose statements can be cancelled. */
  readonly cancellableConnections: number
}

export interface DatabaseOptions {
  /** Postgres or PgBouncer (≥ 1.21 with `max_prepared_statements`, in transaction mode). */
  url: string
  /** Lists and reports read this server while it answers. Default: they read `url`. */
  replicaUrl?: string | undefined
  poolSizes: PoolSizes
  /** Shown in `pg_stat_activity`, followed by the name of the pool. */
  applicationName: string
  /** Connections of the main pool. Default: `poolSizes.connections`. */
  poolMax?: number | undefined
  /** How long a statement may wait to be sent. Default: `poolSizes.timeoutMs`. */
  poolTimeoutMs?: number | undefined
  /**
   * How long a statement may take in the server. Default: 10 s, as `migrate()` sets it. A connection that is silent for 2 s longer
   * (or for twice the limit, if that is less) is given up.
   */
  statementLimitMs?: number | undefined
  /** Statements in flight on one connection of the pools that do not cancel. Default 8. */
  pipelineDepth?: number | undefined
  /** `false`: every statement is parsed and planned again, with one more round trip. */
  prepare?: boolean | undefined
  /** `false`: single rows that are read at the same time are not read by one statement. */
  batching?: boolean | undefined
  registry?: Registry | undefined
  onSettings?: OnSettings | undefined
  /** In a worker thread: receives the statements, for {@link Database.reportStatements} in the main thread. */
  record?: ((statement: StatementRecord) => void) | undefined
}

export interface Database {
  /** Single rows, cache fills and every write. */
  primary: Pool
  /** Lists and reports, whose rows may be slightly out of date. The primary pool itself without a replica. */
  replica: Pool
  /** Slow work, and work that a signal aborts: one statement a connection, which the signal cancels in the server. */
  cancellable: Pool
  /**
   * Reads single rows from the primary by a unique column. With `batching`, the reads of one turn of the event loop share a statement,
   * and each of them sees what was committed before it.
   */
  reader<Column extends string, Key, Row extends Record<Column, Key>>(
    lookup: RowLookup<Column, Key, Row>,
  ): RowReader<Key, Row>
  /**
   * Resolves when the primary answers and has its tables.
   *
   * @throws `DB_UNAVAILABLE`; 42P01 without the tables; the signal's reason
   */
  ready(signal?: AbortSignal): Promise<void>
  stats(): Record<string, PoolFigures>
  /** Counts and traces the statements that a worker thread has recorded. */
  reportStatements(records: readonly StatementRecord[]): void
  /** Refuses new work, lets work in flight finish for up to 5 s, closes all connections. */
  close(): Promise<void>
}

/** Makes the pools of a service. They connect at the first statement, so a service starts without its server. */
export function createDatabase(options: DatabaseOptions): Database {
  const { url, replicaUrl, onSettings } = options
  const metrics = options.registry && createDatabaseMetrics(options.registry)
  const pools = new Map<string, Pool>()
  const addPool = (name: string, url: string, kind: PoolKind) => {
    const pool = createPool({ ...poolOptions(options, name, url, kind), metrics })
    pools.set(name, pool)
    return pool
  }

  const primary = addPool('primary', url, {})
  const replica =
    replicaUrl === undefined
      ? primary
      : withFallback(addPool('replica', replicaUrl, { isReplica: true }), primary)
  const cancellable =
    replicaUrl === undefined
      ? addPool('cancellable', url, { cancels: true })
      : withFallback(
          addPool('cancellable', replicaUrl, { cancels: true, isReplica: true }),
          addPool('cancellable_primary', url, { cancels: true }),
        )
  const checkSessions = onSettings && createSessionCheck(pools, onSettings)

  return {
    primary,
    replica,
    cancellable,
    reader(lookup) {
      return createRowReader(lookup, {
        pool: primary,
        poolName: 'primary',
        batching: options.batching ?? true,
        timeoutMs: options.poolTimeoutMs ?? options.poolSizes.timeoutMs,
        metrics: metrics && ((statement) => metrics.batches('primary', statement)),
      })
    },
    async ready(signal) {
      try {
        await primary.run(HAS_TABLES, {}, { signal, urgent: true })
      } catch (error) {
        // Another search_path looks like missing tables.
        if (!isDatabaseUnavailable(error)) await checkSessions?.()
        throw error
      }
      await checkSessions?.()
    },
    stats: () => Object.fromEntries([...pools].map(([name, pool]) => [name, pool.stats()])),
    reportStatements(records) {
      for (const { pool, statement, startedAt, endedAt } of records) {
        metrics?.queried(pool, statement, (endedAt - startedAt) / 1000)
      }
      traceRecords(records)
    },
    async close() {
      await Promise.all([...pools.values()].map((pool) => pool.close()))
    },
  }
}

interface PoolKind {
  /** A signal cancels in the server; default `false`. */
  readonly cancels?: boolean
  readonly isReplica?: boolean
}

function poolOptions(
  options: DatabaseOptions,
  name: string,
  url: string,
  { cancels = false, isReplica = false }: PoolKind,
): PoolOptions {
  const { poolSizes, prepare = true, statementLimitMs = ROLE_STATEMENT_TIMEOUT_MS } = options
  const connections = options.poolMax ?? poolSizes.connections
  // postgres.js asks for the types of an unprepared statement first, and sends nothing behind it meanwhile.
  const pipelines = !cancels && prepare
  return {
    name,
    url,
    applicationName: `${options.applicationName} ${name}`,
    prepare,
    idleSeconds: poolSizes.idleSeconds,
    lifetimeSeconds: poolSizes.lifetimeSeconds,
    connections: cancels ? Math.min(connections, poolSizes.cancellableConnections) : connections,
    depth: pipelines ? (options.pipelineDepth ?? PIPELINE.depth) : 1,
    spread: pipelines ? PIPELINE.spread : connections,
    timeoutMs: options.poolTimeoutMs ?? poolSizes.timeoutMs,
    statementLimitMs,
    // Time for the server's own refusal to arrive, which contains more than a lost connection.
    answerMarginMs: Math.min(2000, statementLimitMs),
    cancels,
    reportsConflicts: isReplica,
    record: options.record,
  }
}
