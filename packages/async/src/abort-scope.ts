import { DeadlineError } from './deadline-error.ts'

export interface AbortScopeOptions {
  /** Aborting it aborts the scope, with the same reason. */
  readonly parent?: AbortSignal | undefined
  /** The scope is aborted with a `DeadlineError` after this time. Default: no deadline. */
  readonly timeoutMs?: number | undefined
}

export interface AbortScope {
  readonly signal: AbortSignal
  /** Aborts the scope; the parent is not affected. */
  abort(reason: unknown): void
  /** Releases the parent and the timer without aborting. Every scope must be closed. */
  close(): void
}

/**
 * A controller below a parent signal, with a deadline of its own.
 *
 * `AbortSignal.any` and `AbortSignal.timeout` have no counterpart of `close()`: a long-lived parent collects dependent
 * signals, and timers outlive the work.
 *
 * @example
 * const scope = createAbortScope({ parent: request.signal, timeoutMs: 2_000 })
 * try {
 *   return await fetch(url, { signal: scope.signal })
 * } finally {
 *   scope.close()
 * }
 */
export function createAbortScope({ parent, timeoutMs }: AbortScopeOptions = {}): AbortScope {
  const controller = new AbortController()
  const abort = (reason: unknown) => controller.abort(reason)
  if (parent?.aborted) {
    abort(parent.reason)
    return { signal: controller.signal, abort, close: () => {} }
  }
  const followParent = () => abort(parent?.reason)
  parent?.addEventListener('abort', followParent, { once: true })
  const stopTimer = timeoutMs === undefined ? undefined : startTimer(timeoutMs, abort)
  return {
    signal: controller.signal,
    abort,
    close() {
      stopTimer?.()
      parent?.removeEventListener('abort', followParent)
    },
  }
}

/**
 * Expires one turn of the event loop after its timer: when a long pause made this process late, its timers run before it
 * reads the answers that arrived during the pause, and those answers were in time.
 *
 * The timer keeps the process alive, because the work that it limits need not.
 */
function startTimer(timeoutMs: number, onExpired: (reason: DeadlineError) => void): () => void {
  let immediate: NodeJS.Immediate | undefined
  const timer = setTimeout(() => {
    immediate = setImmediate(() => onExpired(new DeadlineError(timeoutMs)))
  }, timeoutMs)
  return () => {
    clearTimeout(timer)
    clearImmediate(immediate)
  }
}
