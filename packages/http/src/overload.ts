import type { ServerResponse } from 'node:http'
import { monitorEventLoopDelay, type RecordableHistogram } from 'node:perf_hooks'
import type { Registry } from '@prometheus-io/client'
import { AppError } from '@reference/errors'
import type { onRequestHookHandler, RouteOptions } from 'fastify'
import {
  ConcurrencyLimiter,
  type ConcurrencyOptions,
  createOverloadMetrics,
  type OverloadMetrics,
  type OverloadReason,
  type RouteLoad,
} from './concurrency.ts'
import type { Readiness } from './health.ts'
import { sendRefusal } from './problems.ts'
import { withFirst } from './route-hooks.ts'
import type { App } from './types.ts'

export interface OverloadOptions {
  /** Above this mean delay of the event loop, in two successive seconds, calls are refused; 0 turns this off. */
  maxEventLoopDelayMs?: number
  /** The limit of requests in flight; `false`: none. */
  concurrency?: ConcurrencyOptions | false
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

/** A refusal is the same error each time: capturing its stack would be the larger part of what it costs. */
const OVERLOADED = new AppError('OVERLOADED', 503, 'The service is overloaded', {
  retryAfterSeconds: 1,
  expose: true,
})

/** `/ready` reports an overload for this long after the last refusal. */
const REPORTED_MS = 10_000

/** Refuses requests of the routes that are passed to the guard; closed with the app. */
export function addOverload(
  app: App,
  delay: Overload,
  registry: Registry | undefined,
  options: OverloadOptions = {},
): OverloadGuard {
  app.addHook('onClose', async () => delay.close())
  return new OverloadGuard(delay, options, registry)
}

/**
 * Refuses requests before they do any work: when too many are in flight (`concurrency.ts`), and while the event loop is late.
 * Operational calls are not refused.
 */
export class OverloadGuard {
  readonly #delay: Overload
  readonly #limiter: ConcurrencyLimiter | undefined
  readonly #metrics: OverloadMetrics | undefined
  readonly #lasts = createDurationCheck()
  #lastRefusalAt = Number.NEGATIVE_INFINITY

  constructor(delay: Overload, { concurrency = {} }: OverloadOptions, registry: Registry | undefined) {
    this.#delay = delay
    this.#limiter = concurrency === false ? undefined : new ConcurrencyLimiter(concurrency)
    this.#metrics = registry && createOverloadMetrics(registry, this.#limiter)
  }

  /** The route's part of the limit; undefined without a limit. */
  loadOf(route: RouteOptions): RouteLoad | undefined {
    return this.#limiter?.route(route)
  }

  /** Whether a request may be admitted; if not, Fastify refuses it. */
  hasRoom(load: RouteLoad | undefined): boolean {
    return load === undefined || this.#limiter?.hasRoom(load) !== false
  }

  /** Counts a request of a hot route as in flight. */
  admit(load: RouteLoad | undefined, response: ServerResponse): void {
    if (load !== undefined) this.#limiter?.admit(load, response)
  }

  /** Adds the first hook of a route: before its token, its rate limit and its body. */
  protect(route: RouteOptions, load: RouteLoad | undefined): void {
    if (route.config?.operational) return
    const priority = load?.priority ?? 'read'
    const refuseOverload: onRequestHookHandler = (request, reply, done) => {
      // A hot route has admitted it.
      if (request.begun !== undefined) return done()
      const reason = this.#reasonToRefuse(load, reply.raw)
      if (reason === undefined) return done()
      this.#lastRefusalAt = performance.now()
      this.#metrics?.refused(priority, reason)
      sendRefusal(OVERLOADED, request, reply)
    }
    route.onRequest = withFirst(refuseOverload, route.onRequest)
  }

  /**
   * The row for `/ready` during an overload. It is no reason to be unready: an overload meets all replicas alike, and the first to leave
   * would pass its requests on to the others.
   */
  readonly check = (): Readiness['checks'][number] | undefined => {
    if (performance.now() - this.#lastRefusalAt > REPORTED_MS) return undefined
    const figures = this.#limiter?.figures
    const limit = figures === undefined ? '' : `: ${figures.inFlight} in flight, limit ${figures.limit}`
    return {
      name: 'overload',
      status: 'degraded',
      latencyMs: 0,
      error: OVERLOADED.code,
      reason: `requests are refused${limit}`,
    }
  }

  #reasonToRefuse(load: RouteLoad | undefined, raw: ServerResponse): OverloadReason | undefined {
    if (this.#delay.isLate && this.#lasts(performance.now(), this.#delay.delayMs)) return 'event_loop'
    return load === undefined || this.#limiter?.admit(load, raw) !== false ? undefined : 'limit'
  }
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
