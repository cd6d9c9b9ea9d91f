import { differingSettings, type SettingDifference, sessionSettings } from '@reference/postgres'
import { sql } from 'drizzle-orm'
import type { Registry } from 'prom-client'
import { isDatabaseUnavailable } from './errors.ts'
import { createDatabaseMetrics, type PoolFigures } from './metrics.ts'
import { createPool, type Pool } from './pool.ts'
import { ROLE_STATEMENT_TIMEOUT_MS } from './role-settings.ts'
import { withFallback } from './routing.ts'
import { cacheOutbox } from './schema.ts'
import { statement } from './statement.ts'
import { type StatementRecord, traceRecords } from './tracing.ts'

/**
 * 64 callers reading a user by id, 30 connections allowed, Postgres on the same 2 cores, medians of 5 interleaved
 * rounds: 17.5 k/s with a statement a connection, 26 k/s with 8 over all 30, 36 k/s with 8 over 4 first, 42 k/s over
 * a single one. With a page of 50 orders as every fourth call 9, 10, 15 and 17 k/s. Four are kept rather than one
 * since a single connection is a single process of Postgres, and each statement there waits for those before it.
 */
const pipeline = { depth: 8, spread: 4 }

const hasTables = statement<object, object>('ready', () => sql`select from ${cacheOutbox} limit 0`)

const sessionOf = statement<object, { name: string; setting: string }>(
  'session_settings',
  () =>
    sql`select name, setting from pg_catalog.pg_settings where name in (${sql.join(Object.keys(sessionSettings), sql`, `)})`,
)

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

export type DatabaseOptions = {
  /** Postgres or PgBouncer (≥ 1.21 with `max_prepared_statements`, in transaction mode). */
  url: string
  /** Lists and reports are read here while it answers; without it they are read from `url`. */
  replicaUrl?: string | undefined
  poolSizes: PoolSizes
  /** Shown by `pg_stat_activity`; the pool's name is added. */
  applicationName: string
  /** Connections of the main pool; `poolSizes.connections` unless given. */
  poolMax?: number | undefined
  /** How long a statement may wait to be sent; 30 s unless given. */
  poolTimeoutMs?: number | undefined
  /**
   * How long a statement may take in the server; 10 s unless given, as `migrate()` sets it. A connection that stays silent
   * for 2 s longer (or as long again, if that is less) is given up.
   */
  statementLimitMs?: number | undefined
  /** Statements sent at once over one connection of the pools that do not cancel. */
  pipelineDepth?: number | undefined
  /** Off: every statement is parsed and planned again, with one more round trip. */
  prepare?: boolean | undefined
  registry?: Registry | undefined
  /** Told once a pool of settings of its session that are not what the services rely on: a pooler has dropped them. */
  onSettings?: ((pool: string, differences: SettingDifference[]) => void) | undefined
  /** In a worker thread: takes what {@link Database.tell} is given in the main thread. */
  record?: ((statement: StatementRecord) => void) | undefined
}

export type Database = {
  /** Single rows, cache fills and every write. */
  primary: Pool
  /** Lists and reports, which may be a moment behind. The primary pool itself when there is no replica. */
  replica: Pool
  /** Slow work and whatever is aborted by a signal: one statement a connection, which the signal cancels in the server. */
  cancellable: Pool
  /** Resolves when the primary answers and has its tables; throws when not (42P01 without them), or the signal's reason. */
  ready(signal?: AbortSignal): Promise<void>
  stats(): Record<string, PoolFigures>
  /** Counts and traces statements that a worker thread has recorded, as if they had been sent here. */
  tell(records: readonly StatementRecord[]): void
  /** Refuses new work, lets what was sent finish for up to 5 s, closes all connections. */
  close(): Promise<void>
}

/** Makes the pools of a service. Nothing is connected before the first statement, so an absent server stops no start. */
export function createDatabase(options: DatabaseOptions): Database {
  const { url, replicaUrl, poolSizes, prepare = true } = options
  const metrics = options.registry && createDatabaseMetrics(options.registry)
  const statementLimitMs = options.statementLimitMs ?? ROLE_STATEMENT_TIMEOUT_MS
  const connections = options.poolMax ?? poolSizes.connections
  const pools = new Map<string, Pool>()

  const primary = pool('primary', url, false)
  const replica =
    replicaUrl === undefined ? primary : withFallback(pool('replica', replicaUrl, false, true), primary)
  const cancellable =
    replicaUrl === undefined
      ? pool('cancellable', url, true)
      : withFallback(pool('cancellable', replicaUrl, true, true), pool('cancellable_primary', url, true))

  const unchecked = new Map([...pools].filter(([name]) => name === 'primary' || name === 'replica'))

  return {
    primary,
    replica,
    cancellable,
    async ready(signal) {
      try {
        await primary.run(hasTables, {}, { signal })
      } catch (error) {
        // Another search_path is seen as tables that are not there.
        if (!isDatabaseUnavailable(error)) await checkSettings()
        throw error
      }
      await checkSettings()
    },
    stats: () => Object.fromEntries([...pools].map(([name, each]) => [name, each.stats()])),
    tell(records) {
      for (const { pool, statement, startedAt, endedAt } of records) {
        metrics?.queried(pool, statement, (endedAt - startedAt) / 1000)
      }
      traceRecords(records)
    },
    async close() {
      await Promise.all([...pools.values()].map((each) => each.close()))
    },
  }

  /**
   * Checks each server once, and again with the next call if it does not answer. Only the primary is awaited: a replica
   * that hangs must not make `ready` miss its limit.
   */
  async function checkSettings(): Promise<void> {
    const { onSettings } = options
    if (onSettings === undefined) return
    const check = async (name: string, each: Pool) => {
      unchecked.delete(name)
      try {
        const differences = differingSettings(await each.run(sessionOf, {}))
        if (differences.length > 0) onSettings(name, differences)
      } catch {
        unchecked.set(name, each)
      }
    }
    const checks = new Map([...unchecked].map(([name, each]) => [name, check(name, each)]))
    await checks.get('primary')
  }

  function pool(name: string, to: string, cancels: boolean, reportsConflicts = false): Pool {
    // postgres.js asks for the types of an unprepared statement first and puts nothing behind it meanwhile.
    const pipelines = !cancels && prepare
    const made = createPool({
      name,
      url: to,
      applicationName: `${options.applicationName} ${name}`,
      prepare,
      idleSeconds: poolSizes.idleSeconds,
      lifetimeSeconds: poolSizes.lifetimeSeconds,
      connections: cancels ? Math.min(connections, poolSizes.cancellableConnections) : connections,
      depth: pipelines ? (options.pipelineDepth ?? pipeline.depth) : 1,
      spread: pipelines ? pipeline.spread : connections,
      timeoutMs: options.poolTimeoutMs ?? poolSizes.timeoutMs,
      statementLimitMs,
      // Time for the server's own refusal to arrive, which says more than ours.
      answerMarginMs: Math.min(2000, statementLimitMs),
      cancels,
      reportsConflicts,
      metrics,
      record: options.record,
    })
    pools.set(name, made)
    return made
  }
}
