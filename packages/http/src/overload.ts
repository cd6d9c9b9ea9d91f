import { monitorEventLoopDelay, type RecordableHistogram } from 'node:perf_hooks'
import { problem } from './problems.ts'
import type { App } from './types.ts'

export interface OverloadOptions {
  /** The mean delay of the event loop, second after second, from which calls are refused; 0 turns this off. */
  maxEventLoopDelayMs?: number
}

/** How often the delay is measured, and how long it must stay too long before calls are refused. */
const SAMPLE_MS = 1000

/** The histogram's own timer; its period is part of every delay that it records. */
const RESOLUTION_MS = 10

/**
 * Answers 503 with `retry-after` while the event loop cannot keep up.
 *
 * Only the delay counts. A utilisation of 100 % is what a saturated server that answers well shows (a benchmark, a
 * busy hour); refusing there turns full load into errors. And only a delay that lasts counts: one stall of a second,
 * by a long task or by a machine that gave the process no CPU, is over when it is measured.
 *
 * Not by `@fastify/under-pressure`: its timer calls `process.memoryUsage()`, which opens a file and throws EMFILE when
 * the process has no descriptor left, and nothing catches an error of a timer.
 */
export function addOverload(app: App, { maxEventLoopDelayMs = 1000 }: OverloadOptions): void {
  if (maxEventLoopDelayMs === 0) return
  const histogram = monitorEventLoopDelay({ resolution: RESOLUTION_MS })
  histogram.enable()
  let delayMs = 0
  const timer = setInterval(() => {
    delayMs = meanDelay(histogram)
    histogram.reset()
  }, SAMPLE_MS)
  timer.unref()
  const lasts = createPersistence()
  app.addHook('onRequest', (request, _reply, done) => {
    if (delayMs <= maxEventLoopDelayMs || request.routeOptions.config.operational) return done()
    if (!lasts(performance.now(), delayMs)) return done()
    done(problem(503, 'OVERLOADED', 'The service is overloaded', { retryAfterSeconds: 1 }))
  })
  app.addHook('onClose', async () => {
    clearInterval(timer)
    histogram.disable()
  })
}

/** Without a single sample the loop has been held up for the whole interval. */
function meanDelay(histogram: Pick<RecordableHistogram, 'count' | 'mean'>): number {
  return histogram.count === 0 ? SAMPLE_MS : histogram.mean / 1e6 - RESOLUTION_MS
}

/**
 * Tells whether the delay was too long in two samples on end. It is asked at each call under pressure; calls then
 * come as far apart as the delay is long, so a longer gap means that the pressure had ended in between.
 */
function createPersistence(): (now: number, delayMs: number) => boolean {
  let since = 0
  let last = Number.NEGATIVE_INFINITY
  return (now, delayMs) => {
    if (now - last > SAMPLE_MS + 2 * delayMs) since = now
    last = now
    return now - since > SAMPLE_MS
  }
}
