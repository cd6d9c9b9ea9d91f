import { Gauge, Histogram, type Registry } from 'prom-client'

export type PoolFigures = { size: number; inUse: number; waiting: number }

export type PoolMetrics = {
  waited(seconds: number): void
  queried(statement: string, seconds: number): void
}

export type DatabaseMetrics = { pool(name: string, figures: () => PoolFigures): PoolMetrics }

/**
 * Registers the figures of all pools. The gauges are read when they are scraped and cost a statement nothing;
 * labels are bounded: pools and statements have fixed names.
 */
export function createDatabaseMetrics(registry: Registry): DatabaseMetrics {
  const pools = new Map<string, () => PoolFigures>()
  const gauge = (name: string, help: string, read: (figures: PoolFigures) => number) =>
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
  const wait = new Histogram({
    name: 'db_pool_wait_seconds',
    help: 'Time at the gate of what had to wait',
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
  return {
    pool(pool, figures) {
      pools.set(pool, figures)
      const waits = wait.labels(pool)
      const queries = new Map<string, ReturnType<typeof query.labels>>()
      return {
        waited: (seconds) => waits.observe(seconds),
        queried(statement, seconds) {
          let labelled = queries.get(statement)
          if (labelled === undefined) {
            labelled = query.labels(pool, statement)
            queries.set(statement, labelled)
          }
          labelled.observe(seconds)
        },
      }
    },
  }
}
