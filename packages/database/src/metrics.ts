import { Counter, Gauge, Histogram, type Registry } from 'prom-client'
import type { Refusal } from './gate.ts'
import type { RepeatReason } from './repeat.ts'

export type PoolFigures = { size: number; inUse: number; waiting: number }

/** What is told to Prometheus besides: connections to the server, and how many there may be. */
export type ConnectionFigures = { open: number; allowed: number }

export type PoolMetrics = {
  waited(seconds: number): void
  refused(reason: Refusal): void
  /** A connection was given up since the server no longer answered on it. */
  abandoned(): void
  /** A statement or a transaction is run again. */
  repeated(reason: RepeatReason): void
  /** It lost each time, and its caller was told. */
  exhausted(): void
  queried(statement: string, seconds: number): void
}

export type DatabaseMetrics = {
  pool(name: string, figures: () => PoolFigures & ConnectionFigures): PoolMetrics
  queried(pool: string, statement: string, seconds: number): void
}

/**
 * Registers the figures of all pools. The gauges are read when they are scraped and cost a statement nothing;
 * labels are bounded: pools and statements have fixed names.
 */
export function createDatabaseMetrics(registry: Registry): DatabaseMetrics {
  const pools = new Map<string, () => PoolFigures & ConnectionFigures>()
  const gauge = (name: string, help: string, read: (figures: PoolFigures & ConnectionFigures) => number) =>
    new Gauge({
      name,
      help,
      labelNames: ['pool'],
      registers: [registry],
      collect() {
        for (const [pool, figures] of pools) this.set({ pool }, read(figures()))
      },
    })
  gauge('db_pool_size', 'Statements that the pool sends at once: connections × pipeline depth', (f) => f.size)
  gauge(
    'db_pool_in_use',
    'Statements sent and not answered; a transaction counts as a whole connection',
    (f) => f.inUse,
  )
  gauge('db_pool_waiting', 'Statements and transactions that wait at the gate', (f) => f.waiting)
  gauge('db_pool_connections', 'Open connections to the server', (f) => f.open)
  gauge('db_pool_connections_max', 'Connections that the pool may open', (f) => f.allowed)
  const refused = new Counter({
    name: 'db_pool_refused_total',
    help: 'Statements and transactions that were never sent: no place within the wait limit, or the pool was closing',
    labelNames: ['pool', 'reason'],
    registers: [registry],
  })
  const abandoned = new Counter({
    name: 'db_pool_abandoned_total',
    help: 'Connections given up since the server no longer answered on them',
    labelNames: ['pool'],
    registers: [registry],
  })
  const repeats = new Counter({
    name: 'db_repeats_total',
    help: 'Statements and transactions that were run again: they lost a conflict, or their prepared plan was stale',
    labelNames: ['pool', 'reason'],
    registers: [registry],
  })
  const exhausted = new Counter({
    name: 'db_repeats_exhausted_total',
    help: 'Statements and transactions that lost a conflict at each of several attempts, answered with DB_CONFLICT',
    labelNames: ['pool'],
    registers: [registry],
  })
  const wait = new Histogram({
    name: 'db_pool_wait_seconds',
    help: 'Time at the gate of what had to wait, also of what then was refused or left',
    labelNames: ['pool'],
    buckets: [0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1, 5, 10, 30],
    registers: [registry],
  })
  const query = new Histogram({
    name: 'db_query_duration_seconds',
    help: 'From sending a statement to its last row, by statement',
    labelNames: ['pool', 'statement'],
    buckets: [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1, 5, 30],
    registers: [registry],
  })
  const durations = new Map<string, Map<string, ReturnType<typeof query.labels>>>()
  const durationsOf = (pool: string) => {
    const known = durations.get(pool) ?? new Map<string, ReturnType<typeof query.labels>>()
    durations.set(pool, known)
    return (statement: string, seconds: number) => {
      let labelled = known.get(statement)
      if (labelled === undefined) {
        labelled = query.labels(pool, statement)
        known.set(statement, labelled)
      }
      labelled.observe(seconds)
    }
  }
  return {
    queried: (pool, statement, seconds) => durationsOf(pool)(statement, seconds),
    pool(pool, figures) {
      pools.set(pool, figures)
      const waits = wait.labels(pool)
      const abandonments = abandoned.labels(pool)
      // There from the start: a series that begins at 1 has no increase.
      const refusals = {
        timeout: refused.labels(pool, 'timeout'),
        closed: refused.labels(pool, 'closed'),
      } satisfies Record<Refusal, unknown>
      const repetitions = {
        serialization: repeats.labels(pool, 'serialization'),
        deadlock: repeats.labels(pool, 'deadlock'),
        stale_plan: repeats.labels(pool, 'stale_plan'),
      } satisfies Record<RepeatReason, unknown>
      const exhaustions = exhausted.labels(pool)
      const counters = [abandonments, exhaustions, ...Object.values(refusals), ...Object.values(repetitions)]
      for (const counter of counters) counter.inc(0)
      return {
        waited: (seconds) => waits.observe(seconds),
        refused: (reason) => refusals[reason].inc(),
        abandoned: () => abandonments.inc(),
        repeated: (reason) => repetitions[reason].inc(),
        exhausted: () => exhaustions.inc(),
        queried: durationsOf(pool),
      }
    },
  }
}
