import { Pool } from 'undici'
import { createHistogram, encodeHistogram } from '../stats/histogram.ts'
import { monotonicMs, startMetronome } from './pacer.ts'
import type { Request } from './request.ts'

export interface OpenLoopOptions {
  /** Such as `http://127.0.0.1:8000`. */
  readonly origin: string
  readonly ratePerSecond: number
  readonly durationMs: number
  /** Sent in this order, again from the start when used up. */
  readonly requests: readonly Request[]
  readonly maxConnections?: number
  /** A request without an answer for this long counts as an error, at its full latency. */
  readonly timeoutMs?: number
}

export interface OpenLoopResult {
  readonly sent: number
  readonly errors: number
  /** Encoded HDR histogram of microseconds from when a request was due to the end of its answer. */
  readonly histogram: string
  /** How late requests left the generator: its own part of every latency, in milliseconds. */
  readonly lagP99Ms: number
  /** Answers by their `x-cache` header. */
  readonly cache: Readonly<Record<string, number>>
}

/**
 * Sends requests at a fixed rate, whether or not earlier ones have been answered, and counts latency from the time a
 * request was due. A server that stalls for a second thereby delays every request of that second, as it would for
 * visitors, who do not wait for one another; a closed loop would have sent one slow request and paused.
 */
export async function openLoop(options: OpenLoopOptions): Promise<OpenLoopResult> {
  const { origin, ratePerSecond, durationMs, requests, maxConnections = 256, timeoutMs = 30_000 } = options
  const pool = new Pool(origin, {
    connections: maxConnections,
    pipelining: 1,
    headersTimeout: timeoutMs,
    bodyTimeout: timeoutMs,
  })
  const latencies = createHistogram()
  const lags = createHistogram()
  const cache: Record<string, number> = {}
  const pending = new Set<Promise<void>>()
  let sent = 0
  let errors = 0

  const send = (request: Request, onEnd: (failed: boolean, tier?: string) => void): Promise<void> =>
    new Promise((resolve) => {
      let failed = false
      let tier: string | undefined
      const end = (broken: boolean) => {
        onEnd(broken || failed, tier)
        resolve()
      }
      pool.dispatch(
        {
          method: request.method ?? 'GET',
          path: request.path,
          headers: request.headers ?? null,
          body: request.body ?? null,
        },
        {
          onRequestStart: () => {},
          onResponseStart: (_controller, statusCode, headers) => {
            failed = statusCode >= 400
            const header = headers['x-cache']
            if (typeof header === 'string') tier = header
          },
          onResponseData: () => {},
          onResponseEnd: () => end(false),
          onResponseError: () => end(true),
        },
      )
    })

  const requestAt = (index: number): Request => requests[index % requests.length] ?? { path: '/' }

  // Connections are opened before the first request is due: a handshake is no part of the steady state.
  const connections = Math.min(maxConnections, 8)
  await Promise.all(Array.from({ length: connections }, () => send(requestAt(0), () => {})))

  const metronome = startMetronome({
    ratePerSecond,
    durationMs,
    onBeat: (dueMs) => {
      lags.recordValue(Math.max(1, Math.round((monotonicMs() - dueMs) * 1000)))
      const answered = send(requestAt(sent++), (failed, tier) => {
        latencies.recordValue(Math.max(1, Math.min(120_000_000, Math.round((monotonicMs() - dueMs) * 1000))))
        if (failed) errors++
        if (tier !== undefined) cache[tier] = (cache[tier] ?? 0) + 1
      })
      pending.add(answered)
      void answered.then(() => pending.delete(answered))
    },
  })
  await metronome.done
  await Promise.all(pending)
  await pool.destroy()
  return {
    sent,
    errors,
    histogram: encodeHistogram(latencies),
    lagP99Ms: lags.getValueAtPercentile(99) / 1000,
    cache,
  }
}
