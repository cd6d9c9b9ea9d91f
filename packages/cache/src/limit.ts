import { performance } from 'node:perf_hooks'

/**
 * The same time limit for many calls, with one timer for all of them: they expire in the order in which they began. A timer
 * and an AbortSignal per call, as in `withDeadline`, would cost every tier-2 read more than its GET.
 *
 * The check runs after one more turn of the event loop: when this process itself was late (a long collection, a
 * pause), its timers run before it reads the answers that have arrived in the meantime.
 */
export function createLimiter(limitMs: number, onLimit: () => Error) {
  const pending = new Set<{ startedAt: number; reject: (error: Error) => void }>()
  let timer: NodeJS.Timeout | undefined

  return <T>(work: Promise<T>): Promise<T> =>
    new Promise((resolve, reject) => {
      const call = { startedAt: performance.now(), reject }
      const ended = () => {
        pending.delete(call)
        if (pending.size > 0) return
        clearTimeout(timer)
        timer = undefined
      }
      pending.add(call)
      timer ??= setTimeout(checkSoon, limitMs)
      work.then(
        (value) => {
          ended()
          resolve(value)
        },
        (error: unknown) => {
          ended()
          reject(error)
        },
      )
    })

  function checkSoon() {
    setImmediate(() => {
      timer = undefined
      const now = performance.now()
      for (const call of pending) {
        const leftMs = call.startedAt + limitMs - now
        if (leftMs > 0) {
          timer = setTimeout(checkSoon, leftMs)
          return
        }
        pending.delete(call)
        call.reject(onLimit())
      }
    })
  }
}
