import { Gauge, Histogram, type Registry } from '@prometheus-io/client'
import { coalesce, settlesWithin } from '@reference/async'
import { DEAD_LETTER_QUEUE } from './definition.ts'

export interface QueueDepth {
  readonly name: string
  readonly ready: number
  readonly deferred: number
  readonly active: number
  readonly failed: number
  readonly oldestSeconds: number
}

const OUTCOMES = ['completed', 'failed', 'cancelled'] as const

export type JobOutcome = (typeof OUTCOMES)[number]

export interface JobMetrics {
  finished(queue: string, outcome: JobOutcome, seconds: number): void
}

const DEPTH_CACHE_MS = 5_000
/** A scrape must be answered when the database is not. */
const DEPTH_TIMEOUT_MS = 1_000

/**
 * The depths are the counts that pg-boss's monitor writes every 10 s into its table of queues: a scrape reads one small row a
 * queue, at most every 5 s, and never counts jobs itself.
 */
export function createJobMetrics(
  registry: Registry,
  queues: readonly string[],
  readDepths: () => Promise<QueueDepth[]>,
): JobMetrics {
  createDepthGauges(registry, new CachedDepths(readDepths))
  const duration = new Histogram({
    name: 'jobs_duration_seconds',
    help: 'How long one attempt of a handler took',
    labelNames: ['queue', 'outcome'] as const,
    buckets: [0.001, 0.005, 0.025, 0.1, 0.5, 1, 5, 15, 60, 300, 900],
    registers: [registry],
  })
  // A series that begins at 1 has no increase.
  for (const queue of queues) for (const outcome of OUTCOMES) duration.zero({ queue, outcome })
  return {
    finished: (queue, outcome, seconds) => duration.observe({ queue, outcome }, seconds),
  }
}

/** The depths as of at most 5 s ago; none while they cannot be read. */
class CachedDepths {
  queues: readonly QueueDepth[] = []
  deadLetters = Number.NaN
  #readAt = Number.NEGATIVE_INFINITY
  readonly #read: () => Promise<void>

  constructor(readDepths: () => Promise<QueueDepth[]>) {
    this.#read = coalesce(() =>
      readDepths().then(
        (rows) => this.#keep(rows),
        () => this.#forget(),
      ),
    )
  }

  async refresh(): Promise<this> {
    if (performance.now() - this.#readAt >= DEPTH_CACHE_MS)
      await settlesWithin(this.#read(), DEPTH_TIMEOUT_MS)
    return this
  }

  #keep(rows: readonly QueueDepth[]): void {
    const dead = rows.find(({ name }) => name === DEAD_LETTER_QUEUE)
    this.queues = rows.filter((row) => row !== dead)
    this.deadLetters = dead ? dead.ready + dead.deferred : 0
    this.#readAt = performance.now()
  }

  #forget(): void {
    this.queues = []
    this.deadLetters = Number.NaN
  }
}

const STATES = ['ready', 'deferred', 'active', 'failed'] as const

function createDepthGauges(registry: Registry, depths: CachedDepths): void {
  const registers = [registry]
  new Gauge({
    name: 'jobs_queue_depth',
    help: 'Jobs by queue and state, as of the last monitor pass (every 10 s); failed: those still kept',
    labelNames: ['queue', 'state'] as const,
    registers,
    async collect() {
      const { queues } = await depths.refresh()
      this.reset()
      for (const depth of queues)
        for (const state of STATES) this.set({ queue: depth.name, state }, depth[state])
    },
  })
  new Gauge({
    name: 'jobs_oldest_ready_seconds',
    help: 'How long the oldest job that could run has waited',
    labelNames: ['queue'] as const,
    registers,
    async collect() {
      const { queues } = await depths.refresh()
      this.reset()
      for (const { name, oldestSeconds } of queues) this.set({ queue: name }, oldestSeconds)
    },
  })
  new Gauge({
    name: 'jobs_dead_letters',
    help: 'Jobs that failed for good and were not sent again, as of the last monitor pass',
    registers,
    async collect() {
      const { deadLetters } = await depths.refresh()
      this.set(deadLetters)
    },
  })
}
