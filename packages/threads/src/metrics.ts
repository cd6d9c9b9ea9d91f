import { Counter, Gauge, Histogram, type Registry } from '@prometheus-io/client'

const OUTCOMES = ['ok', 'error', 'timeout', 'crashed', 'aborted'] as const

export type Outcome = (typeof OUTCOMES)[number]

export interface WorkerPoolStats {
  readonly threads: number
  readonly running: number
  readonly waiting: number
}

export interface WorkerPoolMetrics {
  finished(outcome: Outcome, seconds: number): void
  rejected(): void
}

/** @param read the state of the pool, read at each scrape */
export function createWorkerPoolMetrics(registry: Registry, read: () => WorkerPoolStats): WorkerPoolMetrics {
  const registers = [registry]
  new Gauge({
    name: 'worker_pool_threads',
    help: 'Worker threads; 0 when tasks run on the main thread',
    registers,
    collect() {
      this.set(read().threads)
    },
  })
  new Gauge({
    name: 'worker_pool_tasks',
    help: 'Tasks in the pool',
    labelNames: ['state'] as const,
    registers,
    collect() {
      const { running, waiting } = read()
      this.set({ state: 'running' }, running)
      this.set({ state: 'waiting' }, waiting)
    },
  })
  const duration = new Histogram({
    name: 'worker_pool_task_duration_seconds',
    help: 'From the call to its answer, the wait for a thread included',
    labelNames: ['outcome'] as const,
    buckets: [0.0005, 0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1, 5, 15, 60],
    registers,
  })
  const rejected = new Counter({
    name: 'worker_pool_rejected_total',
    help: 'Tasks refused because the queue was full',
    registers,
  })
  for (const outcome of OUTCOMES) duration.zero({ outcome })
  return {
    finished: (outcome, seconds) => duration.observe({ outcome }, seconds),
    rejected: () => rejected.inc(),
  }
}
