import { TransientSet } from './transient-set.ts'

/** Limits how many pieces of work run at once; the others wait, first come, first served. */
export interface Semaphore {
  /**
   * Runs work as soon as a permit is free.
   *
   * @param signal aborting it ends the wait for a permit; work that has begun is not affected
   * @throws the signal's reason when it aborts before the work begins; what the work throws
   */
  run<T>(work: () => T | Promise<T>, signal?: AbortSignal): Promise<T>
}

/** @param permits how many pieces of work may run at once, at least 1 */
export function createSemaphore(permits: number): Semaphore {
  const waiting = new TransientSet<() => void>()
  let free = permits

  function acquire(signal: AbortSignal | undefined): Promise<void> {
    return new Promise((resolve, reject) => {
      const settle = () => {
        waiting.delete(grant)
        signal?.removeEventListener('abort', onAbort)
      }
      const grant = () => {
        settle()
        resolve()
      }
      const onAbort = () => {
        settle()
        reject(signal?.reason)
      }
      waiting.add(grant)
      signal?.addEventListener('abort', onAbort, { once: true })
    })
  }

  /** The permit goes to the first in the queue, and is not free meanwhile: a new caller cannot overtake the queue. */
  function release(): void {
    const [next] = waiting
    if (next === undefined) free++
    else next()
  }

  return {
    async run(work, signal) {
      signal?.throwIfAborted()
      if (free > 0) free--
      else await acquire(signal)
      try {
        // The signal may have aborted between the grant and this turn.
        signal?.throwIfAborted()
        return await work()
      } finally {
        release()
      }
    },
  }
}
