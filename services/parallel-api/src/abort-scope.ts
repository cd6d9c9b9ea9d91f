/** What a signal is aborted with when its time is over. */
export class DeadlineError extends Error {
  constructor(timeoutMs: number) {
    super(`took longer than ${timeoutMs} ms`)
    this.name = 'DeadlineError'
  }
}

export interface AbortScope {
  readonly signal: AbortSignal
  abort(reason: unknown): void
  /** Lets go of the parent and of the timer; the signal is not aborted. */
  close(): void
}

/**
 * A controller below a parent signal, with a deadline of its own. Unlike `AbortSignal.any` and `AbortSignal.timeout` it
 * is let go at `close()`: a parent that lives long collects no listeners, and no timer outlives the work.
 */
export function abortScope(parent: AbortSignal | undefined, timeoutMs: number | undefined): AbortScope {
  const controller = new AbortController()
  const follow = () => controller.abort(parent?.reason)
  parent?.addEventListener('abort', follow, { once: true })
  if (parent?.aborted) follow()
  const timer =
    timeoutMs === undefined
      ? undefined
      : setTimeout(() => controller.abort(new DeadlineError(timeoutMs)), timeoutMs)
  return {
    signal: controller.signal,
    abort: (reason) => controller.abort(reason),
    close: () => {
      clearTimeout(timer)
      parent?.removeEventListener('abort', follow)
    },
  }
}
