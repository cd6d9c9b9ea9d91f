import { monitorEventLoopDelay, type RecordableHistogram } from 'node:perf_hooks'
import { AppError } from '@reference/errors'
import type { App } from './types.ts'

export interface OverloadOptions {
  /** Above this mean delay of the event loop, in two successive seconds, calls are refused; 0 turns this off. */
  maxEventLoopDelayMs?: number
}

/** The interval of the measurement, and how long the delay must exceed its limit before calls are refused. */
const SAMPLE_MS = 1000

/** The period of the histogram's timer, which is part of every delay that it records. */
const RESOLUTION_MS = 10

/** The delay of the event loop, measured until `close`. */
export interface Overload {
  /** The delay exceeds its limit; calls are refused if that lasts. */
  readonly isLate: boolean
  /** The mean delay of the last second. */
  readonly delayMs: number
  close(): void
}

/**
 * Measures the delay of the event loop. Only the delay counts. A saturated server that answers well (a benchmark, a busy hour)
 * has a utilisation of 100 %; refusing there would turn full load into errors. Only a lasting delay counts: a single stall of a
 * second, caused by a long task or by a machine that gave the process no CPU, is over when it is measured.
 *
 * `@fastify/under-pressure` is not used: its timer calls `process.memoryUsage()`, which opens a file and throws EMFILE when
 * the process has no free descriptor, and an error of a timer ends the process.
 */
export function watchOverload({ maxEventLoopDelayMs = 1000 }: OverloadOptions): Overload {
  if (maxEventLoopDelayMs === 0) return { isLate: false, delayMs: 0, close() {} }
  const histogram = monitorEventLoopDelay({ resolution: RESOLUTION_MS })
  histogram.enable()
  let delayMs = 0
  const timer = setInterval(() => {
    delayMs = meanDelay(histogram)
    histogram.reset()
  }, SAMPLE_MS)
  timer.unref()
  return {
    get isLate() {
      return delayMs > maxEventLoopDelayMs
    },
    get delayMs() {
      return delayMs
    },
    close() {
      clearInterval(timer)
      histogram.disable()
    },
  }
}

/** Answers 503 with `retry-after` while the event loop cannot keep up. */
export function addOverload(app: App, overload: Overload): void {
  const lasts = createDurationCheck()
  app.addHook('onRequest', (request, _reply, done) => {
    if (!overload.isLate || request.routeOptions.config.operational) return done()
    if (!lasts(performance.now(), overload.delayMs)) return done()
    done(new AppError('OVERLOADED', 503, 'The service is overloaded', { retryAfterSeconds: 1, expose: true }))
  })
  app.addHook('onClose', async () => overload.close())
}

/** Without a sample the event loop was blocked for the whole interval. */
function meanDelay(histogram: Pick<RecordableHistogram, 'count' | 'mean'>): number {
  return histogram.count === 0 ? SAMPLE_MS : histogram.mean / 1e6 - RESOLUTION_MS
}

/**
 * Returns whether the delay exceeded its limit in two successive samples. It is called for each request under pressure.
 * Requests are then as far apart as the delay is long, so a longer gap means that the pressure had ended in between.
 */
function createDurationCheck(): (now: number, delayMs: number) => boolean {
  let since = 0
  let last = Number.NEGATIVE_INFINITY
  return (now, delayMs) => {
    if (now - last > SAMPLE_MS + 2 * delayMs) since = now
    last = now
    return now - since > SAMPLE_MS
  }
}
