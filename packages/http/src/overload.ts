import underPressure from '@fastify/under-pressure'
import { problem } from './problems.ts'
import type { App } from './types.ts'

export interface OverloadOptions {
  /** The mean delay of the event loop, second after second, from which calls are refused; 0 turns this off. */
  maxEventLoopDelayMs?: number
  /** The resident size from which calls are refused; off unless given. */
  maxRssBytes?: number
}

/** How often the delay is measured, and how long it must stay too long before calls are refused. */
const SAMPLE_MS = 1000

/**
 * Answers 503 with `retry-after` while the event loop cannot keep up.
 *
 * Only the delay counts. A utilisation of 100 % is what a saturated server that answers well shows (a benchmark, a
 * busy hour); refusing there turns full load into errors. And only a delay that lasts counts: one stall of a second,
 * by a long task or by a machine that gave the process no CPU, is over when it is measured.
 */
export async function addOverload(app: App, options: OverloadOptions): Promise<void> {
  const { maxEventLoopDelayMs = 1000, maxRssBytes = 0 } = options
  if (maxEventLoopDelayMs === 0 && maxRssBytes === 0) return
  const lasts = createPersistence()
  await app.register(underPressure, {
    maxEventLoopDelay: maxEventLoopDelayMs,
    maxRssBytes,
    sampleInterval: SAMPLE_MS,
    eventLoopUtilizationMode: 'interval',
    pressureHandler: (request, _reply, type, value = 0): undefined => {
      if (request.routeOptions.config.operational) return undefined
      if (type === underPressure.TYPE_EVENT_LOOP_DELAY && !lasts(performance.now(), value)) return undefined
      throw problem(503, 'OVERLOADED', 'The service is overloaded', { retryAfterSeconds: 1 })
    },
  })
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
