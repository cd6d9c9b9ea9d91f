import { createAbortScope } from './abort-scope.ts'
import { abortable } from './abortable.ts'

export interface DeadlineOptions {
  readonly timeoutMs: number
  /** Aborting it ends the wait earlier. */
  readonly signal?: AbortSignal | undefined
}

/**
 * Runs work and waits for it until a deadline, even when the work ignores its signal. What the work does after the deadline
 * has no effect on the caller; work that must have ended before the caller goes on uses `createAbortScope` instead.
 *
 * @param work its signal aborts at the deadline and when `signal` aborts
 * @throws DeadlineError past the deadline; the reason of `signal` when that aborts first; what the work throws
 */
export async function withDeadline<T>(
  work: (signal: AbortSignal) => T | Promise<T>,
  { timeoutMs, signal }: DeadlineOptions,
): Promise<T> {
  const scope = createAbortScope({ parent: signal, timeoutMs })
  try {
    scope.signal.throwIfAborted()
    return await abortable(Promise.resolve(work(scope.signal)), scope.signal)
  } finally {
    scope.close()
  }
}

/**
 * Waits for a promise, but no longer than a limit: for a shutdown step that may hang, or a reading that may be skipped.
 *
 * @returns whether the promise was fulfilled within `timeoutMs`
 * @throws what the promise is rejected with within that time; a later rejection is ignored
 */
export function settlesWithin(promise: Promise<unknown>, timeoutMs: number): Promise<boolean> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(resolve, timeoutMs, false)
    promise.then(() => resolve(true), reject).finally(() => clearTimeout(timer))
  })
}
