/**
 * Structured parallel fetch: what Go's `errgroup` does, and what a bare `Promise.all` does not. Nothing outlives the
 * call: when it returns or throws, each part has settled, and what was no longer wanted has been aborted.
 */

import { abortScope, DeadlineError } from './abort-scope.ts'

/** One part: starts its work at once and ends it when the signal is aborted. */
export type Part<T> = (signal: AbortSignal) => Promise<T>

// biome-ignore lint/suspicious/noExplicitAny: only `any` lets a part of each type stand in one record
export type Parts = Readonly<Record<string, Part<any>>>

export type Results<P extends Parts> = { [Name in keyof P]: Awaited<ReturnType<P[Name]>> }

export interface FetchAllOptions {
  /** Aborting it, as when the client goes away, aborts every part. */
  readonly signal?: AbortSignal
  /** Deadline of the whole, in ms. */
  readonly timeoutMs?: number
  /** Deadline of each part, in ms. */
  readonly partTimeoutMs?: number
  /** `false` fetches one part after the other: what the benchmark compares with. */
  readonly parallel?: boolean
}

export interface FailedPart {
  readonly part: string
  readonly error: unknown
}

/** A part failed or ran out of time; the others were aborted. */
export class PartFailedError extends Error {
  readonly code: 'PART_FAILED' | 'PART_TIMED_OUT'
  readonly statusCode = 502
  /** The message names the part and nothing of what lies behind it, so the caller may read it. */
  readonly expose = true
  readonly part: string

  constructor({ part, error }: FailedPart) {
    const late = error instanceof DeadlineError
    super(`${part} ${late ? error.message : 'could not be fetched'}`, { cause: error })
    this.name = 'PartFailedError'
    this.code = late ? 'PART_TIMED_OUT' : 'PART_FAILED'
    this.part = part
  }
}

/**
 * Runs all parts side by side; the first failure aborts the others.
 *
 * @returns the results by the parts' names, with their types
 * @throws PartFailedError of the part that failed first; the signal's own reason when the caller aborted
 */
export async function fetchAll<P extends Parts>(
  parts: P,
  options: FetchAllOptions = {},
): Promise<Results<P>> {
  const { results, failed } = await run(parts, options, 'abort-on-failure')
  const [first] = failed
  if (first !== undefined) throw new PartFailedError(first)
  return results as Results<P>
}

/**
 * Runs all parts side by side and gives what there is: a failure leaves the others alone.
 *
 * @returns the results that could be had, and the parts that failed, in the order in which they failed
 * @throws the signal's own reason when the caller aborted
 */
export async function fetchPartial<P extends Parts>(
  parts: P,
  options: FetchAllOptions = {},
): Promise<{ results: Partial<Results<P>>; failed: readonly FailedPart[] }> {
  return run(parts, options, 'go-on')
}

async function run<P extends Parts>(
  parts: P,
  { signal, timeoutMs, partTimeoutMs, parallel = true }: FetchAllOptions,
  onFailure: 'abort-on-failure' | 'go-on',
): Promise<{ results: Partial<Results<P>>; failed: FailedPart[] }> {
  signal?.throwIfAborted()
  const settled: Partial<Results<P>> = {}
  const failed: FailedPart[] = []
  const group = abortScope(signal, timeoutMs)

  const settle = async (part: keyof P & string) => {
    const scope = abortScope(group.signal, partTimeoutMs)
    try {
      scope.signal.throwIfAborted()
      settled[part] = await parts[part]?.(scope.signal)
    } catch (error) {
      // An aborted part rejects in its library's own words; what counts is why it was aborted.
      failed.push({ part, error: scope.signal.aborted ? scope.signal.reason : error })
      if (onFailure === 'abort-on-failure') group.abort(error)
    } finally {
      scope.close()
    }
  }

  try {
    if (parallel) await Promise.all(Object.keys(parts).map(settle))
    else for (const part of Object.keys(parts)) await settle(part)
  } finally {
    group.close()
  }
  signal?.throwIfAborted()
  return { results: inOrderOf(parts, settled), failed }
}

/** Whoever writes the results out gets them in the order of the parts, not in that in which they came. */
function inOrderOf<P extends Parts>(parts: P, settled: Partial<Results<P>>): Partial<Results<P>> {
  const results: Partial<Results<P>> = {}
  for (const part of Object.keys(parts) as (keyof P)[]) {
    if (Object.hasOwn(settled, part)) results[part] = settled[part]
  }
  return results
}
