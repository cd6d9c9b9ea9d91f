import underPressure from '@fastify/under-pressure'
import { problem } from './problems.ts'
import type { App } from './types.ts'

export interface OverloadOptions {
  /** The mean delay of the event loop over a second from which calls are refused; 0 turns this off. */
  maxEventLoopDelayMs?: number
  /** The resident size from which calls are refused; off unless given. */
  maxRssBytes?: number
}

/**
 * Answers 503 with `retry-after` while the event loop cannot keep up.
 *
 * Only the delay counts. A utilisation of 100 % is what a saturated server that answers well shows (a benchmark, a
 * busy hour); refusing there turns full load into errors. The limit of one second is the mean of a whole second:
 * a single long task does not reach it, a loop that no longer turns does.
 */
export async function addOverload(app: App, options: OverloadOptions): Promise<void> {
  const { maxEventLoopDelayMs = 1000, maxRssBytes = 0 } = options
  if (maxEventLoopDelayMs === 0 && maxRssBytes === 0) return
  await app.register(underPressure, {
    maxEventLoopDelay: maxEventLoopDelayMs,
    maxRssBytes,
    sampleInterval: 1000,
    eventLoopUtilizationMode: 'interval',
    pressureHandler: (request): undefined => {
      if (request.routeOptions.config.operational) return undefined
      throw problem(503, 'OVERLOADED', 'The service is overloaded', { retryAfterSeconds: 1 })
    },
  })
}
