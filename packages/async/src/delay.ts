export interface DelayOptions {
  readonly signal?: AbortSignal | undefined
  /** `false`: the process may end before the time is over. For the pauses of background loops. Default `true`. */
  readonly ref?: boolean
}

/**
 * Waits for `ms` milliseconds.
 *
 * @throws the signal's reason when it aborts. (`node:timers/promises` throws an `AbortError` of its own.)
 */
export function delay(ms: number, { signal, ref = true }: DelayOptions = {}): Promise<void> {
  return new Promise((resolve, reject) => {
    if (signal?.aborted) return reject(signal.reason)
    const onAbort = () => {
      clearTimeout(timer)
      reject(signal?.reason)
    }
    const timer = setTimeout(() => {
      signal?.removeEventListener('abort', onAbort)
      resolve()
    }, ms)
    if (!ref) timer.unref()
    signal?.addEventListener('abort', onAbort, { once: true })
  })
}
