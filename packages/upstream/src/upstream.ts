import type { Registry } from '@prometheus-io/client'
import { createAbortScope, createSharedReads, delay, type SingleFlight } from '@reference/async'
import { type CircuitBreakerPolicy, ConsecutiveBreaker, circuitBreaker, handleWhen } from 'cockatiel'
import { type Dispatcher, Pool } from 'undici'
import { isFailure, isRetryable, toUpstreamError, UpstreamError } from './errors.ts'
import { createUpstreamMetrics, type Outcome, type UpstreamMetrics } from './metrics.ts'
import { createRetryBudget } from './retry-budget.ts'
import { type BeginAttempt, createTracing } from './tracing.ts'

export interface UpstreamOptions {
  /** How error messages name the upstream. */
  readonly name: string
  /** Base URL of the upstream, or of the load balancer in front of it. */
  readonly url: string
  /** `false` opens a connection for each call. Default `true`. */
  readonly keepAlive?: boolean
  /** The most connections, and so the most calls in flight; further calls are queued. Default 32. */
  readonly connections?: number
  /** Deadline of one attempt, the wait for a connection included. Default 2,000. */
  readonly attemptTimeoutMs?: number
  /** Identical calls at the same time share one. Default `true`. */
  readonly sharedReads?: boolean
  /** How long the breaker stays open before it lets one call try. Default 1,000. */
  readonly suspendMs?: number
  /** The metrics have no label for the upstream: one client per registry. */
  readonly registry?: Registry
}

export interface UpstreamCall {
  readonly signal: AbortSignal
  /** Sent with the call, such as `x-request-id` and `traceparent`. */
  readonly headers?: Readonly<Record<string, string>>
}

export interface Upstream {
  readonly name: string
  /**
   * Gets JSON, as of a time after the call: identical calls share one that has not been sent yet. A call that fails is tried once
   * more.
   *
   * @param path with its query, such as `/orders?limit=20`
   * @returns the parsed body; undefined for 404
   * @throws UpstreamError with the status to answer; the signal's reason when the caller aborted
   */
  get(path: string, call: UpstreamCall): Promise<unknown>
  /**
   * Checks `/health` of the upstream. The breaker is bypassed, so that readiness shows the present state.
   *
   * @throws when the upstream is not healthy
   */
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

/** Consecutive failures that open the breaker, and how long it stays open. */
const FAILURES_TO_SUSPEND = 10
const SUSPEND_MS = 1_000

/** The second attempt waits a random time in this range, so that calls that failed together are not repeated together. */
const RETRY_DELAY_MS = { min: 10, max: 100 }

/**
 * A client of one upstream: connection pool, deadline, one retry within a budget, breaker, shared calls. It connects with the
 * first call.
 */
export function createUpstream(options: UpstreamOptions): Upstream {
  return new UpstreamClient(options)
}

class UpstreamClient implements Upstream {
  readonly name: string
  readonly #basePath: string
  readonly #pool: Pool
  readonly #attemptTimeoutMs: number
  readonly #suspendMs: number
  readonly #breaker: CircuitBreakerPolicy
  #suspendedAt = 0
  readonly #budget = createRetryBudget()
  readonly #reads: SingleFlight<unknown>
  readonly #beginTrace: BeginAttempt | undefined
  readonly #metrics: UpstreamMetrics | undefined

  constructor(options: UpstreamOptions) {
    const { name, url, registry } = options
    const { origin, pathname } = new URL(url)
    this.name = name
    this.#basePath = pathname.replace(/\/+$/, '')
    this.#attemptTimeoutMs = options.attemptTimeoutMs ?? ATTEMPT_TIMEOUT_MS
    this.#suspendMs = options.suspendMs ?? SUSPEND_MS
    this.#reads = createSharedReads(options.sharedReads ?? true)
    this.#pool = new Pool(origin, {
      connections: options.connections ?? CONNECTIONS,
      // One call a connection: a second one would wait behind a slow first one. 0 closes the connection after each reply.
      pipelining: (options.keepAlive ?? true) ? 1 : 0,
      connect: { timeout: CONNECT_TIMEOUT_MS },
      // The deadline of an attempt is enforced by a signal; undici's own timeouts are coarse and only a second line.
      headersTimeout: this.#attemptTimeoutMs * 2,
      bodyTimeout: this.#attemptTimeoutMs * 2,
      maxResponseSize: MAX_REPLY_BYTES,
    })
    this.#breaker = circuitBreaker(handleWhen(isFailure), {
      halfOpenAfter: this.#suspendMs,
      breaker: new ConsecutiveBreaker(FAILURES_TO_SUSPEND),
    })
    this.#breaker.onBreak(() => {
      this.#suspendedAt = performance.now()
    })
    this.#beginTrace = createTracing(origin)
    this.#metrics = registry && createUpstreamMetrics(registry, () => this.#breaker.state)
  }

  async get(path: string, { signal, headers }: UpstreamCall): Promise<unknown> {
    let joined = true
    const result = await this.#reads(path, signal, (shared) => {
      joined = false
      return this.#callGuarded(path, { signal: shared, ...(headers && { headers }) })
    })
    if (joined) this.#metrics?.shared()
    return result
  }

  async ping(signal: AbortSignal): Promise<void> {
    const reply = await this.#pool.request({ path: `${this.#basePath}/health`, method: 'GET', signal })
    await reply.body.dump()
    if (reply.statusCode !== 200)
      throw new UpstreamError(this.name, 'UPSTREAM_FAILED', `answered ${reply.statusCode}`)
  }

  close(): Promise<void> {
    return this.#pool.destroy()
  }

  /** The breaker is outermost: while it is open nothing is sent, and a call counts once, its retry included. */
  async #callGuarded(path: string, call: UpstreamCall): Promise<unknown> {
    const begin = performance.now()
    let outcome: Outcome = 'ok'
    try {
      const body = await this.#breaker.execute(() => this.#callWithRetry(path, call))
      if (body === undefined) outcome = 'absent'
      return body
    } catch (error) {
      if (call.signal.aborted) {
        outcome = 'aborted'
        throw call.signal.reason
      }
      const reopensInMs = this.#suspendedAt + this.#suspendMs - performance.now()
      const failure = toUpstreamError(this.name, error, reopensInMs)
      outcome = outcomeOf(failure)
      throw failure
    } finally {
      this.#metrics?.finished(outcome, (performance.now() - begin) / 1000)
    }
  }

  async #callWithRetry(path: string, call: UpstreamCall): Promise<unknown> {
    this.#budget.earn()
    try {
      return await this.#attempt(path, call)
    } catch (error) {
      if (call.signal.aborted || !isRetryable(error) || !this.#budget.spend()) throw error
    }
    this.#metrics?.retried()
    const { min, max } = RETRY_DELAY_MS
    await delay(min + Math.random() * (max - min), { signal: call.signal })
    return this.#attempt(path, call)
  }

  async #attempt(path: string, call: UpstreamCall): Promise<unknown> {
    const scope = createAbortScope({ parent: call.signal, timeoutMs: this.#attemptTimeoutMs })
    const headers = { accept: 'application/json', ...call.headers }
    const traced = this.#beginTrace?.(path, headers)
    try {
      const reply = await this.#pool.request({
        path: this.#basePath + path,
        method: 'GET',
        headers,
        signal: scope.signal,
      })
      const body = await this.#read(reply)
      traced?.end(undefined, reply.statusCode)
      return body
    } catch (error) {
      traced?.end(error)
      call.signal.throwIfAborted()
      throw toUpstreamError(this.name, scope.signal.aborted ? scope.signal.reason : error, 0)
    } finally {
      scope.close()
    }
  }

  async #read({ statusCode, body }: Dispatcher.ResponseData): Promise<unknown> {
    if (statusCode === 200) {
      const text = await body.text()
      try {
        return JSON.parse(text)
      } catch (cause) {
        throw new UpstreamError(this.name, 'UPSTREAM_MALFORMED', 'sent a body that is not JSON', { cause })
      }
    }
    // A connection can be used again only when the body has been read to its end.
    if (statusCode === 500 && (await problemCode(body)) === 'ROW_NOT_REPRESENTABLE')
      throw new UpstreamError(this.name, 'UPSTREAM_ROW_UNUSABLE', 'has a row that it cannot represent')
    if (statusCode !== 500) await body.dump()
    if (statusCode === 404) return undefined
    const code = statusCode >= 500 ? 'UPSTREAM_FAILED' : 'UPSTREAM_REFUSED'
    throw new UpstreamError(this.name, code, `answered ${statusCode}`)
  }
}

/** The `code` of a problem document (RFC 9457). */
async function problemCode(body: Dispatcher.ResponseData['body']): Promise<unknown> {
  const text = await body.text()
  try {
    return Object(JSON.parse(text)).code
  } catch {
    return undefined
  }
}

function outcomeOf({ code }: UpstreamError): Outcome {
  if (code === 'UPSTREAM_SUSPENDED') return 'suspended'
  if (code === 'UPSTREAM_ROW_UNUSABLE') return 'unusable'
  return code === 'UPSTREAM_TIMED_OUT' ? 'timeout' : 'error'
}
