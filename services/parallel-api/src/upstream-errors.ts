import { DeadlineError } from '@reference/async'
import { BrokenCircuitError } from 'cockatiel'

export type UpstreamCode =
  | 'UPSTREAM_UNAVAILABLE'
  | 'UPSTREAM_TIMED_OUT'
  | 'UPSTREAM_FAILED'
  | 'UPSTREAM_REFUSED'
  | 'UPSTREAM_MALFORMED'
  | 'UPSTREAM_SUSPENDED'

const statusOf = {
  UPSTREAM_UNAVAILABLE: 502,
  UPSTREAM_TIMED_OUT: 504,
  UPSTREAM_FAILED: 502,
  UPSTREAM_REFUSED: 502,
  UPSTREAM_MALFORMED: 502,
  UPSTREAM_SUSPENDED: 503,
} as const satisfies Record<UpstreamCode, number>

/** A call to the upstream gave nothing to use. The message names the upstream and no address: the caller may read it. */
export class UpstreamError extends Error {
  readonly code: UpstreamCode
  readonly statusCode: 502 | 503 | 504
  readonly expose = true
  readonly retryAfterSeconds?: number

  constructor(
    code: UpstreamCode,
    message: string,
    options: { cause?: unknown; retryAfterSeconds?: number } = {},
  ) {
    const { cause, retryAfterSeconds } = options
    super(`The upstream reference-api ${message}`, cause === undefined ? undefined : { cause })
    this.name = 'UpstreamError'
    this.code = code
    this.statusCode = statusOf[code]
    if (retryAfterSeconds !== undefined) this.retryAfterSeconds = retryAfterSeconds
  }
}

/** The upstream is in trouble: counts for the breaker. A reply of 4xx is an answer and does not. */
export function isTrouble(error: unknown): boolean {
  return (
    error instanceof UpstreamError &&
    ['UPSTREAM_UNAVAILABLE', 'UPSTREAM_TIMED_OUT', 'UPSTREAM_FAILED'].includes(error.code)
  )
}

/** Worth a second attempt. A call that ran out of its time is not: the caller has waited enough, the upstream is busy. */
export function isRetryable(error: unknown): boolean {
  return (
    error instanceof UpstreamError &&
    (error.code === 'UPSTREAM_UNAVAILABLE' || error.code === 'UPSTREAM_FAILED')
  )
}

const late = new Set(['UND_ERR_HEADERS_TIMEOUT', 'UND_ERR_BODY_TIMEOUT'])

/** Names what undici, the breaker or a deadline threw. */
export function upstreamError(error: unknown, reopensInMs: number): UpstreamError {
  if (error instanceof UpstreamError) return error
  if (error instanceof DeadlineError)
    return new UpstreamError('UPSTREAM_TIMED_OUT', error.message, { cause: error })
  if (error instanceof BrokenCircuitError) {
    return new UpstreamError('UPSTREAM_SUSPENDED', 'failed repeatedly and is left alone for a moment', {
      cause: error,
      retryAfterSeconds: Math.max(1, Math.ceil(reopensInMs / 1000)),
    })
  }
  const code = error instanceof Error && 'code' in error ? String(error.code) : ''
  if (late.has(code))
    return new UpstreamError('UPSTREAM_TIMED_OUT', 'did not answer in time', { cause: error })
  return new UpstreamError('UPSTREAM_UNAVAILABLE', 'cannot be reached', { cause: error })
}
