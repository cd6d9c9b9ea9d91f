import type { ServerResponse } from 'node:http'
import { Counter, Gauge, type Registry } from '@prometheus-io/client'
import { AdaptiveLimit, type LatencySeries } from '@reference/async'
import type { RouteOptions } from 'fastify'
import { onlyReads } from './route-hooks.ts'
import type { Priority } from './types.ts'

export interface ConcurrencyOptions {
  /** Requests in flight that are never too many; default {@link MIN_REQUESTS}. */
  readonly minimum?: number
  /** Requests in flight at most, whatever the latency; default {@link MAX_REQUESTS}. */
  readonly maximum?: number
}

/**
 * Fewer requests in flight are not refused: a service that answers 1,000 requests a second answers each of 256 within 256 ms, and
 * a few hundred callers that wait for each other are no overload. With 64 the service refused 138 of 304 writes a second at half of its
 * capacity while the machine stalled.
 */
const MIN_REQUESTS = 256
/** The limit begins here: a burst waits for its turn, and is an overload only if it lasts. */
const MAX_REQUESTS = 1_000
const SLACK_MS = 50

/**
 * The share of the limit up to which requests of a priority are taken. The lowest priority is refused first, and each higher one keeps
 * the rest of the limit for itself ("progressive" shedding, Netflix, "Prioritized Load Shedding", 2020).
 */
const SHARES: Readonly<Record<Priority, number>> = { cached: 1, read: 0.9, write: 0.8, report: 0.5 }

/** Why a request was refused: too many in flight, or the event loop is late. */
export type OverloadReason = 'limit' | 'event_loop'

/** A route's part of the limit. */
export interface RouteLoad {
  readonly priority: Priority
  readonly series: LatencySeries
}

/** The figures of the last seconds, for `/ready`. */
export interface ConcurrencyFigures {
  readonly limit: number
  readonly inFlight: number
}

/**
 * Limits the requests in flight that do work, and refuses further ones at once. Without a limit a service that gets more requests than
 * it can answer answers none: each waits until its client has left, and the work is done in vain.
 *
 * A request is in flight from its first hook until its reply is handed to the socket, so a client that reads slowly takes no part of the
 * limit, or until its client has left: its work then leaves the queues, see `client-signal.ts`.
 */
export class ConcurrencyLimiter {
  readonly #limit: AdaptiveLimit
  #inFlight = 0

  constructor({ minimum = MIN_REQUESTS, maximum = MAX_REQUESTS }: ConcurrencyOptions) {
    this.#limit = new AdaptiveLimit({ minimum, maximum, initial: maximum, slackMs: SLACK_MS })
  }

  get figures(): ConcurrencyFigures {
    return { limit: this.#limit.limit, inFlight: this.#inFlight }
  }

  route({ method, config }: Pick<RouteOptions, 'method' | 'config'>): RouteLoad {
    return { priority: config?.priority ?? defaultPriority(method, config), series: this.#limit.series() }
  }

  /** Whether {@link admit} would count a request of this route. */
  hasRoom({ priority }: RouteLoad): boolean {
    return this.#inFlight < this.#allowed(priority)
  }

  /** Counts the request as in flight until its reply is written, or returns false. */
  admit({ priority, series }: RouteLoad, raw: ServerResponse): boolean {
    const allowed = this.#allowed(priority)
    if (this.#inFlight >= allowed) {
      this.#limit.refused()
      return false
    }
    this.#inFlight++
    const pressure = this.#inFlight / allowed
    const startedAt = performance.now()
    let isInFlight = true
    const end = () => {
      if (!isInFlight) return
      isInFlight = false
      this.#inFlight--
      // The latency of a refusal says nothing about the work, nor does that of a client that has left.
      if (raw.writableEnded && raw.statusCode < 400) {
        this.#limit.ended(series, performance.now() - startedAt, pressure)
      }
    }
    // Emitted when the reply is complete and handed over, however slowly the client reads it.
    raw.on('prefinish', end)
    raw.on('close', end)
    return true
  }

  #allowed(priority: Priority): number {
    return Math.max(1, this.#limit.limit * SHARES[priority])
  }
}

/** A `GET` that has a hot route is usually answered from the cache. */
function defaultPriority(method: RouteOptions['method'], config: RouteOptions['config']): Priority {
  if (!onlyReads(method)) return 'write'
  return config?.hot === undefined ? 'read' : 'cached'
}

/** Counts each refusal; the log has a line for the first of many. */
export interface OverloadMetrics {
  refused(priority: Priority, reason: OverloadReason): void
}

const REASONS: readonly OverloadReason[] = ['limit', 'event_loop']

export function createOverloadMetrics(
  registry: Registry,
  limiter: ConcurrencyLimiter | undefined,
): OverloadMetrics {
  const refused = new Counter({
    name: 'http_overload_refused_total',
    help: 'Requests answered with 503 OVERLOADED before they did any work, by priority of the route and reason',
    labelNames: ['priority', 'reason'],
    registers: [registry],
  })
  // Every series exists from the start: a series that begins at 1 has no increase.
  for (const priority of Object.keys(SHARES))
    for (const reason of REASONS) refused.inc({ priority, reason }, 0)
  if (limiter !== undefined) registerFigures(registry, limiter)
  return { refused: (priority, reason) => refused.inc({ priority, reason }) }
}

function registerFigures(registry: Registry, limiter: ConcurrencyLimiter): void {
  new Gauge({
    name: 'http_concurrency_limit',
    help: 'Requests that may be in flight; each priority has a share of it',
    registers: [registry],
    collect() {
      this.set(limiter.figures.limit)
    },
  })
  new Gauge({
    name: 'http_concurrency_in_flight',
    help: 'Requests in flight that count towards the limit: neither operational calls nor replies at hand',
    registers: [registry],
    collect() {
      this.set(limiter.figures.inFlight)
    },
  })
}
