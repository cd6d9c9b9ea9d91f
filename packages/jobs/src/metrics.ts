import { Gauge, Histogram, type Registry } from 'prom-client'
import { DEAD_LETTER_QUEUE } from './definition.ts'

export type QueueDepth = {
  name: string
  ready: number
  deferred: number
  active: number
  failed: number
  oldestSeconds: number
}

const JOB_OUTCOMES = ['completed', 'failed', 'cancelled'] as const

export type JobOutcome = (typeof JOB_OUTCOMES)[number]

export type JobMetrics = {
  finished(queue: string, outcome: JobOutcome, seconds: number): void
}

const DEPTH_CACHE_MS = 5_000
const DEPTH_LIMIT_MS = 1_000

/**
 * The depths are those that pg-boss's monitor counts every 10 s into its table of queues: a scrape reads one small
 * row a queue, at most every 5 s, and never counts jobs itself.
 */
export function createJobMetrics(
  registry: Registry,
  queues: readonly string[],
  readDepths: () => Promise<QueueDepth[]>,
): JobMetrics {
  let depths: QueueDepth[] = []
  let deadLetters = Number.NaN
  let readAt = Number.NEGATIVE_INFINITY
  let reading: Promise<void> | undefined

  async function refresh(): Promise<void> {
    if (performance.now() - readAt < DEPTH_CACHE_MS) return
    // A scrape must come back when the database does not.
    let timer: NodeJS.Timeout | undefined
    const limit = new Promise<void>((resolve) => {
      timer = setTimeout(resolve, DEPTH_LIMIT_MS)
    })
    reading ??= readDepths()
      .then(
        (rows) => {
          depths = rows.filter(({ name }) => name !== DEAD_LETTER_QUEUE)
          const dead = rows.find(({ name }) => name === DEAD_LETTER_QUEUE)
          deadLetters = dead ? dead.ready + dead.deferred : 0
          readAt = performance.now()
        },
        () => {
          depths = []
          deadLetters = Number.NaN
        },
      )
      .finally(() => {
        reading = undefined
      })
    await Promise.race([reading, limit])
    clearTimeout(timer)
  }

  new Gauge({
    name: 'jobs_queue_depth',
    help: 'Jobs by queue and state, as of the last monitor pass (every 10 s); failed: those still kept',
    labelNames: ['queue', 'state'] as const,
    registers: [registry],
    async collect() {
      await refresh()
      this.reset()
      for (const depth of depths) {
        this.set({ queue: depth.name, state: 'ready' }, depth.ready)
        this.set({ queue: depth.name, state: 'deferred' }, depth.deferred)
        this.set({ queue: depth.name, state: 'active' }, depth.active)
        this.set({ queue: depth.name, state: 'failed' }, depth.failed)
      }
    },
  })

  new Gauge({
    name: 'jobs_oldest_ready_seconds',
    help: 'How long the oldest job that could run has waited',
    labelNames: ['queue'] as const,
    registers: [registry],
    async collect() {
      await refresh()
      this.reset()
      for (const depth of depths) this.set({ queue: depth.name }, depth.oldestSeconds)
    },
  })

  new Gauge({
    name: 'jobs_dead_letters',
    help: 'Jobs that failed for good and that nobody has sent again, as of the last monitor pass',
    registers: [registry],
    async collect() {
      await refresh()
      this.set(deadLetters)
    },
  })

  const duration = new Histogram({
    name: 'jobs_duration_seconds',
    help: 'How long one attempt of a handler took',
    labelNames: ['queue', 'outcome'] as const,
    buckets: [0.001, 0.005, 0.025, 0.1, 0.5, 1, 5, 15, 60, 300, 900],
    registers: [registry],
  })

  // There from the start: a series that begins at 1 has no increase.
  for (const queue of queues) for (const outcome of JOB_OUTCOMES) duration.zero({ queue, outcome })

  return {
    finished: (queue, outcome, seconds) => duration.observe({ queue, outcome }, seconds),
  }
}
