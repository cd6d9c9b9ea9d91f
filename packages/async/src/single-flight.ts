import { TransientMap } from './transient-map.ts'

/**
 * Runs work, or joins the run that is in flight for the same key. The run has a signal of its own, which aborts when its last
 * caller has left: a client that disconnects does not affect the other callers. The last caller to leave waits until the work
 * has ended, so nothing of the run outlives its callers.
 *
 * @param signal the caller's; aborting it makes the caller leave. Without one the caller stays
 * @throws what the work throws; the signal's reason when the caller left
 */
export type SingleFlight<T> = (
  key: string,
  signal: AbortSignal | undefined,
  work: SharedWork<T>,
) => Promise<T>

/** After `close()` later callers start a new run. Without it the run closes when it ends. */
export type SharedWork<T> = (signal: AbortSignal, close: () => void) => Promise<T>

interface Run<T> {
  readonly result: Promise<T>
  readonly controller: AbortController
  callers: number
  close(): void
}

/** Concurrent callers with the same key share one run of the work; results are not kept after it. */
export function createSingleFlight<T>(): SingleFlight<T> {
  const open = new TransientMap<string, Run<T>>()

  function start(key: string, work: SharedWork<T>): Run<T> {
    const controller = new AbortController()
    const close = () => {
      if (open.get(key) === run) open.delete(key)
    }
    const execute = async () => {
      try {
        return await work(controller.signal, close)
      } finally {
        close()
      }
    }
    // Begins in the next microtask, when `run` is assigned and `close` can refer to it.
    const run: Run<T> = { result: Promise.resolve().then(execute), controller, callers: 0, close }
    open.set(key, run)
    return run
  }

  return (key, signal, work) => {
    if (signal?.aborted) return Promise.reject(signal.reason)
    return join(open.get(key) ?? start(key, work), signal)
  }
}

function join<T>(run: Run<T>, signal: AbortSignal | undefined): Promise<T> {
  run.callers++
  if (signal === undefined) return run.result
  return new Promise((resolve, reject) => {
    const leave = () => {
      run.callers--
      if (run.callers > 0) return reject(signal.reason)
      run.close()
      run.controller.abort(signal.reason)
    }
    const release = () => signal.removeEventListener('abort', leave)
    signal.addEventListener('abort', leave, { once: true })
    run.result.then(
      (result) => {
        release()
        resolve(result)
      },
      (error: unknown) => {
        release()
        reject(signal.aborted ? signal.reason : error)
      },
    )
  })
}
