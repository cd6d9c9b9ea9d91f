import { DeadlineError } from '@reference/async'
import { AppError } from '@reference/errors'
import { BrokenCircuitError } from 'cockatiel'

const STATUS_CODES = {
  UPSTREAM_UNAVAILABLE: 502,
  UPSTREAM_TIMED_OUT: 504,
  UPSTREAM_FAILED: 502,
  UPSTREAM_REFUSED: 502,
  UPSTREAM_MALFORMED: 502,
  UPSTREAM_SUSPENDED: 503,
  UPSTREAM_ROW_UNUSABLE: 502,
} as const

export type UpstreamCode = keyof typeof STATUS_CODES

/** A call to an upstream gave no usable answer. The message names the upstream and no address, so the caller may read it. */
export class UpstreamError extends AppError<UpstreamCode> {
  /**
   * @param upstream its name, such as `reference-api`
   * @param predicate completes the sentence "The upstream … "
   */
  constructor(
    upstream: string,
    code: UpstreamCode,
    predicate: string,
    options: { cause?: unknown; retryAfterSeconds?: number } = {},
  ) {
    const message = `The upstream ${upstream} ${predicate}`
    super(code, STATUS_CODES[code], message, { ...options, expose: true })
  }
}

/** Counts as a failure for the breaker. A 4xx is an answer and does not count. */
export function isFailure(error: unknown): boolean {
  return isRetryable(error) || (error instanceof UpstreamError && error.code === 'UPSTREAM_TIMED_OUT')
}

/** One row that the upstream cannot represent, or that holds values unknown here: an answer, which is no failure of the upstream. */
export function isUnusableRow(error: unknown): boolean {
  return error instanceof UpstreamError && error.code === 'UPSTREAM_ROW_UNUSABLE'
}

/** Worth a second attempt. A call past its deadline is not: the caller has waited long enough, and the upstream is busy. */
export function isRetryable(error: unknown): boolean {
  return (
    error instanceof UpstreamError &&
    (error.code === 'UPSTREAM_UNAVAILABLE' || error.code === 'UPSTREAM_FAILED')
  )
}

const UNDICI_TIMEOUTS = new Set(['UND_ERR_HEADERS_TIMEOUT', 'UND_ERR_BODY_TIMEOUT'])

/**
 * The UpstreamError of what undici, the breaker or a deadline threw.
 *
 * @param reopensInMs when the breaker lets the next call try
 */
export function toUpstreamError(upstream: string, error: unknown, reopensInMs: number): UpstreamError {
  if (error instanceof UpstreamError) return error
  if (error instanceof DeadlineError)
    return new UpstreamError(upstream, 'UPSTREAM_TIMED_OUT', error.message, { cause: error })
  if (error instanceof BrokenCircuitError) {
    const predicate = 'failed repeatedly; calls are suspended for a moment'
    const retryAfterSeconds = Math.max(1, Math.ceil(reopensInMs / 1000))
    return new UpstreamError(upstream, 'UPSTREAM_SUSPENDED', predicate, { cause: error, retryAfterSeconds })
  }
  const code = error instanceof Error && 'code' in error ? String(error.code) : ''
  if (UNDICI_TIMEOUTS.has(code))
    return new UpstreamError(upstream, 'UPSTREAM_TIMED_OUT', 'did not answer in time', { cause: error })
  return new UpstreamError(upstream, 'UPSTREAM_UNAVAILABLE', 'cannot be reached', { cause: error })
}
