import { AppError } from '@reference/errors'
import { createAbortScope } from './abort-scope.ts'
import { DeadlineError } from './deadline-error.ts'

// Structured parallel fetch, as Go's `errgroup`: nothing outlives the call. When it returns or throws, each part has settled,
// and the parts that were no longer needed have been aborted. A bare `Promise.all` leaves them running.

/** One part: starts its work at once and ends it when the signal aborts. */
export type Part<T> = (signal: AbortSignal) => Promise<T>

// biome-ignore lint/suspicious/noExplicitAny: with `unknown` a record of parts of different types is refused
export type Parts = Readonly<Record<string, Part<any>>>

export type Results<P extends Parts> = { [Name in keyof P]: Awaited<ReturnType<P[Name]>> }

export interface FetchAllOptions {
  /** Aborting it, as when the client disconnects, aborts every part. */
  readonly signal?: AbortSignal | undefined
  /** Deadline of the whole call. */
  readonly timeoutMs?: number | undefined
  /** Deadline of each part. */
  readonly partTimeoutMs?: number | undefined
  /** `false` fetches one part after the other, for comparison. Default `true`. */
  readonly parallel?: boolean
}

export interface FailedPart {
  readonly part: string
  readonly error: unknown
}

/** A part failed or exceeded its deadline; the others were aborted. */
export class PartFailedError extends AppError<'PART_FAILED' | 'PART_TIMED_OUT'> {
  readonly part: string

  constructor({ part, error: cause }: FailedPart) {
    const late = cause instanceof DeadlineError
    // The caller may read the message: it names the part and says nothing about the system behind it.
    const options = { cause, expose: true }
    if (late) super('PART_TIMED_OUT', 502, `${part} ${cause.message}`, options)
    else super('PART_FAILED', 502, `${part} could not be fetched`, options)
    this.part = part
  }
}

/**
 * Runs all parts in parallel; the first failure aborts the others.
 *
 * @returns the results by the parts' names, with their types
 * @throws PartFailedError of the part that failed first; the signal's reason when the caller aborted
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
 * Runs all parts in parallel; a failed part does not affect the others.
 *
 * @returns the results of the parts that succeeded, and the parts that failed, in the order in which they failed
 * @throws the signal's reason when the caller aborted
 */
export async function fetchPartial<P extends Parts>(
  parts: P,
  options: FetchAllOptions = {},
): Promise<{ results: Partial<Results<P>>; failed: readonly FailedPart[] }> {
  return run(parts, options, 'continue')
}

async function run<P extends Parts>(
  parts: P,
  { signal, timeoutMs, partTimeoutMs, parallel = true }: FetchAllOptions,
  onFailure: 'abort-on-failure' | 'continue',
): Promise<{ results: Partial<Results<P>>; failed: FailedPart[] }> {
  signal?.throwIfAborted()
  const settled: Partial<Results<P>> = {}
  const failed: FailedPart[] = []
  const group = createAbortScope({ parent: signal, timeoutMs })

  const settle = async (part: keyof P & string) => {
    const scope = createAbortScope({ parent: group.signal, timeoutMs: partTimeoutMs })
    try {
      scope.signal.throwIfAborted()
      settled[part] = await parts[part]?.(scope.signal)
    } catch (error) {
      // An aborted part rejects with an error of its library; the reason of the abort says more.
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

/** The results in the order of the parts, not of their arrival: a reply that is made of them is the same each time. */
function inOrderOf<P extends Parts>(parts: P, settled: Partial<Results<P>>): Partial<Results<P>> {
  const results: Partial<Results<P>> = {}
  for (const part of Object.keys(parts) as (keyof P)[]) {
    if (Object.hasOwn(settled, part)) results[part] = settled[part]
  }
  return results
}
