import { BalancedPool, type Dispatcher, Pool } from 'undici'
import { createHistogram, encodeHistogram } from '../stats/histogram.ts'
import { monotonicMs, pace } from './pacer.ts'
import type { Request } from './request.ts'

export interface OpenLoopOptions {
  /** Such as `http://127.0.0.1:8000`. */
  readonly origin: string
  /** Replicas beside `origin`: requests are spread over all of them, as a balancer does. */
  readonly otherOrigins?: readonly string[]
  readonly ratePerSecond: number
  readonly durationMs: number
  /** Sent in this order, then again from the first. */
  readonly requests: readonly Request[]
  readonly maxConnections?: number
  /** A request without a reply for this long counts as an error, with its full latency. */
  readonly timeoutMs?: number
}

export interface OpenLoopResult {
  readonly sent: number
  readonly errors: number
  /** Requests that failed, by reason: a status such as `503`, `timeout`, or `connection` for one that was refused or lost. */
  readonly failures: Readonly<Record<string, number>>
  /** Encoded HDR histogram of microseconds from the due time of a request to the end of its reply. */
  readonly histogram: string
  /** How late the generator sent its requests: its own share of every latency, in milliseconds. */
  readonly lagP99Ms: number
  /** Replies by their `x-cache` header. */
  readonly cache: Readonly<Record<string, number>>
}

interface Reply {
  /** Why it failed, as in `OpenLoopResult.failures`. */
  readonly failure?: string
  readonly tier?: string
}

const MAX_LATENCY_US = 120_000_000

/**
 * Sends requests at a fixed rate, independent of earlier replies, and counts latency from the due time of each request.
 *
 * A server that stalls for a second therefore delays every request of that second, as it does for independent visitors. A
 * closed loop would send one slow request and pause (coordinated omission).
 */
export async function openLoop(options: OpenLoopOptions): Promise<OpenLoopResult> {
  const { ratePerSecond, durationMs, requests, maxConnections = 256 } = options
  const pool = openPool(options, maxConnections)
  const requestAt = (index: number): Request => requests[index % requests.length] ?? { path: '/' }
  // Connections open before the first request is due: a handshake is no part of the steady state.
  await Promise.all(Array.from({ length: Math.min(maxConnections, 8) }, () => send(pool, requestAt(0))))

  const latencies = createHistogram()
  const lags = createHistogram()
  const cache: Record<string, number> = {}
  const failures: Record<string, number> = {}
  const pending = new Set<Promise<void>>()
  let sent = 0
  let errors = 0
  const sendAndRecord = async (request: Request, dueMs: number): Promise<void> => {
    const { failure, tier } = await send(pool, request)
    latencies.recordValue(Math.min(MAX_LATENCY_US, microsecondsSince(dueMs)))
    if (failure !== undefined) {
      errors++
      failures[failure] = (failures[failure] ?? 0) + 1
    }
    if (tier !== undefined) cache[tier] = (cache[tier] ?? 0) + 1
  }
  await pace({
    ratePerSecond,
    durationMs,
    onTick: (dueMs) => {
      lags.recordValue(microsecondsSince(dueMs))
      const recorded = sendAndRecord(requestAt(sent++), dueMs)
      pending.add(recorded)
      void recorded.then(() => pending.delete(recorded))
    },
  })
  await Promise.all(pending)
  await pool.destroy()
  return {
    sent,
    errors,
    failures,
    histogram: encodeHistogram(latencies),
    lagP99Ms: lags.getValueAtPercentile(99) / 1000,
    cache,
  }
}

function microsecondsSince(ms: number): number {
  return Math.max(1, Math.round((monotonicMs() - ms) * 1000))
}

function openPool(options: OpenLoopOptions, connections: number): Pool | BalancedPool {
  const { origin, otherOrigins = [], timeoutMs = 30_000 } = options
  const limits = { connections, pipelining: 1, headersTimeout: timeoutMs, bodyTimeout: timeoutMs }
  return otherOrigins.length === 0
    ? new Pool(origin, limits)
    : new BalancedPool([origin, ...otherOrigins], limits)
}

/** Resolves at the end of the reply; never rejects. */
function send(pool: Dispatcher, { method = 'GET', path, headers, body }: Request): Promise<Reply> {
  return new Promise((resolve) => {
    let reply: Reply = {}
    pool.dispatch(
      { method, path, headers: headers ?? null, body: body ?? null },
      {
        onRequestStart: () => {},
        onResponseStart: (_controller, statusCode, replyHeaders) => {
          const tier = replyHeaders['x-cache']
          reply = {
            ...(statusCode >= 400 && { failure: String(statusCode) }),
            ...(typeof tier === 'string' && { tier }),
          }
        },
        onResponseData: () => {},
        onResponseEnd: () => resolve(reply),
        onResponseError: (_controller, error) => resolve({ ...reply, failure: failureOf(error) }),
      },
    )
  })
}

function failureOf(error: Error): string {
  const isTimeout = 'code' in error && /^UND_ERR_(HEADERS|BODY)_TIMEOUT$/.test(String(error.code))
  return isTimeout ? 'timeout' : 'connection'
}
