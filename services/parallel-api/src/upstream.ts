import { createAbortScope, createSingleFlight, delay } from '@reference/async'
import { ConsecutiveBreaker, circuitBreaker, handleWhen } from 'cockatiel'
import type { Registry } from 'prom-client'
import { type Dispatcher, Pool } from 'undici'
import { createRetryBudget } from './retry-budget.ts'
import { isRetryable, isTrouble, UpstreamError, upstreamError } from './upstream-errors.ts'
import { createUpstreamMetrics, type Outcome } from './upstream-metrics.ts'
import { createTracing } from './upstream-tracing.ts'

export interface UpstreamOptions {
  /** Base URL of the reference-api or of the load balancer before it. */
  readonly url: string
  /** `false` opens a connection for each call. */
  readonly keepAlive?: boolean
  /** Connections at most, so also calls in flight; what is more waits its turn. */
  readonly connections?: number
  /** Time for one attempt, the wait for a connection included. */
  readonly attemptTimeoutMs?: number
  /** How long the breaker stays open before it lets one call try. */
  readonly suspendMs?: number
  readonly registry?: Registry
}

export interface UpstreamCall {
  readonly signal: AbortSignal
  /** Passed on: `x-request-id`, `traceparent`. */
  readonly headers?: Readonly<Record<string, string>>
}

export interface Upstream {
  /**
   * Gets JSON. Identical calls in flight share one; a call that fails is tried once more.
   *
   * @param path with its query, such as `/orders?limit=20`
   * @returns the parsed body; undefined for 404
   * @throws UpstreamError with the status to answer; the signal's reason when the caller aborted
   */
  get(path: string, call: UpstreamCall): Promise<unknown>
  /** Resolves when the upstream is healthy. Past the breaker, so that readiness tells what is. */
  ping(signal: AbortSignal): Promise<void>
  close(): Promise<void>
}

/**
 * Calls in flight at most. An `/aggregate` of 20 orders asks for up to 40 rows at once; more connections than the
 * upstream has database connections only move the queue from here to there.
 */
const CONNECTIONS = 32
const ATTEMPT_TIMEOUT_MS = 2_000
const CONNECT_TIMEOUT_MS = 1_000
const MAX_REPLY_BYTES = 8 * 1024 * 1024

/** Failures in a row after which the upstream is left alone, and for how long. */
const FAILURES_TO_SUSPEND = 10
const SUSPEND_MS = 1_000

/** The second attempt waits a random time in this range: callers that failed together do not come back together. */
const RETRY_DELAY_MS = { min: 10, max: 100 }

/** A client of one upstream: pool, deadline, one retry within a budget, breaker, shared calls. Connects when first asked. */
export function createUpstream(options: UpstreamOptions): Upstream {
  const {
    url,
    keepAlive = true,
    connections = CONNECTIONS,
    attemptTimeoutMs = ATTEMPT_TIMEOUT_MS,
    suspendMs = SUSPEND_MS,
    registry,
  } = options
  const { origin, pathname } = new URL(url)
  const base = pathname.replace(/\/+$/, '')
  const pool = new Pool(origin, {
    connections,
    // One call a connection: behind a slow one another would wait. 0 closes after each reply.
    pipelining: keepAlive ? 1 : 0,
    connect: { timeout: CONNECT_TIMEOUT_MS },
    // The deadline of an attempt is a signal's; undici's own clocks are coarse and stand behind it.
    headersTimeout: attemptTimeoutMs * 2,
    bodyTimeout: attemptTimeoutMs * 2,
    maxResponseSize: MAX_REPLY_BYTES,
  })
  const breaker = circuitBreaker(handleWhen(isTrouble), {
    halfOpenAfter: suspendMs,
    breaker: new ConsecutiveBreaker(FAILURES_TO_SUSPEND),
  })
  let suspendedAt = 0
  breaker.onBreak(() => {
    suspendedAt = performance.now()
  })
  const budget = createRetryBudget()
  const beginTrace = createTracing(origin)
  const singleFlight = createSingleFlight<unknown>()
  const metrics = registry && createUpstreamMetrics(registry, () => breaker.state)

  async function attempt(path: string, { signal, headers }: UpstreamCall): Promise<unknown> {
    const scope = createAbortScope({ parent: signal, timeoutMs: attemptTimeoutMs })
    const sent = { accept: 'application/json', ...headers }
    const traced = beginTrace?.(path, sent)
    try {
      const reply = await pool.request({
        path: base + path,
        method: 'GET',
        headers: sent,
        signal: scope.signal,
      })
      const body = await read(reply)
      traced?.end(undefined, reply.statusCode)
      return body
    } catch (error) {
      traced?.end(error)
      signal.throwIfAborted()
      throw upstreamError(scope.signal.aborted ? scope.signal.reason : error, 0)
    } finally {
      scope.close()
    }
  }

  async function attemptTwice(path: string, call: UpstreamCall): Promise<unknown> {
    budget.earn()
    try {
      return await attempt(path, call)
    } catch (error) {
      if (call.signal.aborted || !isRetryable(error) || !budget.spend()) throw error
    }
    metrics?.retried()
    const { min, max } = RETRY_DELAY_MS
    await delay(min + Math.random() * (max - min), { signal: call.signal })
    return attempt(path, call)
  }

  /** The breaker is outermost: while it is open nothing is sent, and a call counts once, its retry included. */
  async function guarded(path: string, call: UpstreamCall): Promise<unknown> {
    const begin = performance.now()
    let outcome: Outcome = 'ok'
    try {
      const body = await breaker.execute(() => attemptTwice(path, call))
      if (body === undefined) outcome = 'absent'
      return body
    } catch (error) {
      if (call.signal.aborted) {
        outcome = 'aborted'
        throw call.signal.reason
      }
      const named = upstreamError(error, suspendedAt + suspendMs - performance.now())
      outcome = outcomeOf(named)
      throw named
    } finally {
      metrics?.finished(outcome, (performance.now() - begin) / 1000)
    }
  }

  return {
    async get(path, { signal, headers }) {
      let joined = true
      const work = (whole: AbortSignal) => {
        joined = false
        return guarded(path, { signal: whole, ...(headers && { headers }) })
      }
      const result = await singleFlight(path, signal, work)
      if (joined) metrics?.shared()
      return result
    },
    async ping(signal) {
      const reply = await pool.request({ path: `${base}/health`, method: 'GET', signal })
      await reply.body.dump()
      if (reply.statusCode !== 200) throw new UpstreamError('UPSTREAM_FAILED', `answered ${reply.statusCode}`)
    },
    close: () => pool.destroy(),
  }
}

async function read({ statusCode, body }: Dispatcher.ResponseData): Promise<unknown> {
  if (statusCode === 200) {
    const text = await body.text()
    try {
      return JSON.parse(text)
    } catch (cause) {
      throw new UpstreamError('UPSTREAM_MALFORMED', 'answered what is not JSON', { cause })
    }
  }
  // Read to its end, the connection can be used again.
  await body.dump()
  if (statusCode === 404) return undefined
  throw new UpstreamError(
    statusCode >= 500 ? 'UPSTREAM_FAILED' : 'UPSTREAM_REFUSED',
    `answered ${statusCode}`,
  )
}

function outcomeOf({ code }: UpstreamError): Outcome {
  if (code === 'UPSTREAM_SUSPENDED') return 'suspended'
  return code === 'UPSTREAM_TIMED_OUT' ? 'timeout' : 'error'
}
