import { AppError } from '@reference/errors'
import { createAbortScope } from './abort-scope.ts'
import { abortable } from './abortable.ts'
import { DeadlineError } from './deadline-error.ts'
import { delay } from './delay.ts'

export interface UntilOptions {
  /** Default 20,000. */
  readonly timeoutMs?: number
  /** Pause between two checks. Default 10. */
  readonly intervalMs?: number
  readonly signal?: AbortSignal | undefined
  /** A condition that throws does not hold yet. Default `false`: what it throws ends the wait. */
  readonly retryErrors?: boolean
}

/**
 * Waits until a condition holds: it is checked at once and then again and again. The limit covers a check that hangs, too.
 *
 * @param what names the condition in the error, as in `the queue is empty`
 * @param condition gives a value, or `undefined` or `false` while it does not hold; its signal aborts at the limit
 * @returns the value that the condition gave
 * @throws AppError `WAIT_TIMED_OUT` after `timeoutMs`, with the last error of the condition as its cause; the reason of
 *   `signal` when that aborts
 *
 * @example
 * await until('the service answers', () => fetch(url).then(({ ok }) => ok), { retryErrors: true })
 */
export async function until<T>(
  what: string,
  condition: (signal: AbortSignal) => T | undefined | false | Promise<T | undefined | false>,
  options: UntilOptions = {},
): Promise<T> {
  const { timeoutMs = 20_000, intervalMs = 10, signal, retryErrors = false } = options
  const scope = createAbortScope({ parent: signal, timeoutMs })
  let lastError: unknown
  const check = async () => {
    try {
      const found = await condition(scope.signal)
      lastError = undefined
      return found
    } catch (error) {
      if (!retryErrors || scope.signal.aborted) throw error
      lastError = error
      return undefined
    }
  }
  try {
    for (;;) {
      scope.signal.throwIfAborted()
      const found = await abortable(check(), scope.signal)
      if (found !== undefined && found !== false) return found
      await delay(intervalMs, { signal: scope.signal })
    }
  } catch (error) {
    if (error !== scope.signal.reason || !(error instanceof DeadlineError)) throw error
    throw new AppError('WAIT_TIMED_OUT', 500, `not within ${timeoutMs} ms: ${what}`, { cause: lastError })
  } finally {
    scope.close()
  }
}
