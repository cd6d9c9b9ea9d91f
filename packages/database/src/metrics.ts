import { Counter, Gauge, Histogram, type Registry } from '@prometheus-io/client'
import type { Refusal } from './connection-semaphore.ts'
import type { RepeatReason } from './repeat.ts'

export interface PoolFigures {
  /** Connections × depth. */
  size: number
  inUse: number
  waiting: number
}

/** Further figures for Prometheus: connections to the server, and how many the pool may open. */
export interface ConnectionFigures {
  open: number
  allowed: number
}

type Figures = PoolFigures & ConnectionFigures

export interface PoolMetrics {
  waited(seconds: number): void
  refused(reason: Refusal): void
  /** A connection was given up because its server no longer answered. */
  abandoned(): void
  /** A statement or a transaction is run again. */
  repeated(reason: RepeatReason): void
  /** It lost at each attempt. */
  exhausted(): void
  queried(statement: string, seconds: number): void
}

export interface BatchMetrics {
  /** A batch was sent as one statement. */
  sent(keys: number): void
  /** A read waited too long for its batch. */
  refused(): void
}

export interface DatabaseMetrics {
  pool(name: string, figures: () => Figures): PoolMetrics
  batches(pool: string, statement: string): BatchMetrics
  queried(pool: string, statement: string, seconds: number): void
}

/**
 * Registers the metrics of all pools. The gauges are read at a scrape and cost a statement nothing. Labels are bounded: pools and
 * statements have fixed names.
 */
export function createDatabaseMetrics(registry: Registry): DatabaseMetrics {
  const pools = new Map<string, () => Figures>()
  registerGauges(registry, pools)
  const counters = registerCounters(registry)
  const wait = new Histogram({
    name: 'db_pool_wait_seconds',
    help: 'Waiting time for a connection, also of waits that ended in a refusal or an abort',
    labelNames: ['pool'],
    buckets: [0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1, 5, 10, 30],
    registers: [registry],
  })
  const batchSizes = new Histogram({
    name: 'db_batch_keys',
    help: 'Keys read by a statement that reads single rows for several callers: count is the statements, sum the keys',
    labelNames: ['pool', 'statement'],
    buckets: [1, 2, 4, 8, 16, 32, 64],
    registers: [registry],
  })
  const durationsOf = registerDurations(registry)
  return {
    batches(pool, statement) {
      const sizes = batchSizes.labels(pool, statement)
      const refused = counters.refused.labels(pool, 'timeout')
      return { sent: (keys) => sizes.observe(keys), refused: () => refused.inc() }
    },
    queried: (pool, statement, seconds) => durationsOf(pool)(statement, seconds),
    pool(pool, figures) {
      pools.set(pool, figures)
      const waits = wait.labels(pool)
      const abandoned = counters.abandoned.labels(pool)
      const exhausted = counters.exhausted.labels(pool)
      const refused = byReason(pool, counters.refused, REFUSALS)
      const repeated = byReason(pool, counters.repeats, REPEAT_REASONS)
      // Every series exists from the start: a series that begins at 1 has no increase.
      for (const counter of [abandoned, exhausted, ...refused.values(), ...repeated.values()]) counter.inc(0)
      return {
        waited: (seconds) => waits.observe(seconds),
        refused: (reason) => refused.get(reason)?.inc(),
        abandoned: () => abandoned.inc(),
        repeated: (reason) => repeated.get(reason)?.inc(),
        exhausted: () => exhausted.inc(),
        queried: durationsOf(pool),
      }
    },
  }
}

const REFUSALS: readonly Refusal[] = ['timeout', 'overload', 'closed']
const REPEAT_REASONS: readonly RepeatReason[] = ['serialization', 'deadlock', 'stale_plan']

function byReason<Reason extends string>(
  pool: string,
  counter: Counter<'pool' | 'reason'>,
  reasons: readonly Reason[],
): ReadonlyMap<Reason, Counter.Internal> {
  return new Map(reasons.map((reason) => [reason, counter.labels(pool, reason)]))
}

const GAUGES: readonly [name: string, help: string, read: (figures: Figures) => number][] = [
  ['db_pool_size', 'Statements that the pool sends at once: connections × pipeline depth', (f) => f.size],
  [
    'db_pool_in_use',
    'Statements sent and not answered; a transaction counts as a whole connection',
    (f) => f.inUse,
  ],
  ['db_pool_waiting', 'Statements and transactions that wait for a connection', (f) => f.waiting],
  ['db_pool_connections', 'Open connections to the server', (f) => f.open],
  ['db_pool_connections_max', 'Connections that the pool may open', (f) => f.allowed],
]

function registerGauges(registry: Registry, pools: ReadonlyMap<string, () => Figures>): void {
  for (const [name, help, read] of GAUGES) {
    new Gauge({
      name,
      help,
      labelNames: ['pool'],
      registers: [registry],
      collect() {
        for (const [pool, figures] of pools) this.set({ pool }, read(figures()))
      },
    })
  }
}

function registerCounters(registry: Registry) {
  const counter = <Label extends string>(name: string, help: string, ...labelNames: Label[]) =>
    new Counter({ name, help, labelNames, registers: [registry] })
  return {
    refused: counter(
      'db_pool_refused_total',
      'Statements and transactions that were never sent: no connection within the wait limit, a queue that did not empty, or the pool was closing',
      'pool',
      'reason',
    ),
    abandoned: counter(
      'db_pool_abandoned_total',
      'Connections given up because the server no longer answered on them',
      'pool',
    ),
    repeats: counter(
      'db_repeats_total',
      'Statements and transactions that were run again: they lost a conflict, or their prepared plan was stale',
      'pool',
      'reason',
    ),
    exhausted: counter(
      'db_repeats_exhausted_total',
      'Statements and transactions that lost a conflict at each of several attempts, answered with DB_CONFLICT',
      'pool',
    ),
  }
}

/** Keeps the labelled histograms: looking one up by its labels would be the larger part of an observation. */
function registerDurations(registry: Registry) {
  const histogram = new Histogram({
    name: 'db_query_duration_seconds',
    help: 'From sending a statement to its last row, by statement',
    labelNames: ['pool', 'statement'],
    buckets: [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1, 5, 30],
    registers: [registry],
  })
  type Labelled = ReturnType<typeof histogram.labels>
  const pools = new Map<string, Map<string, Labelled>>()
  return (pool: string) => {
    const known = pools.get(pool) ?? new Map<string, Labelled>()
    pools.set(pool, known)
    return (statement: string, seconds: number) => {
      let labelled = known.get(statement)
      if (labelled === undefined) {
        labelled = histogram.labels(pool, statement)
        known.set(statement, labelled)
      }
      labelled.observe(seconds)
    }
  }
}
