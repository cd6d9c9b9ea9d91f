/**
 * `work`, or a rejection with `onLimit()` after `limitMs`.
 *
 * The check comes after one more turn of the event loop: when this process itself was late (a long collection, a
 * pause), its timers run before it reads the answers that have arrived in the meantime.
 */
export function withLimit<T>(work: Promise<T>, limitMs: number, onLimit: () => Error): Promise<T> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => setImmediate(() => reject(onLimit())), limitMs)
    work.then(
      (value) => {
        clearTimeout(timer)
        resolve(value)
      },
      (error: unknown) => {
        clearTimeout(timer)
        reject(error)
      },
    )
  })
}

export const delay = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms))
