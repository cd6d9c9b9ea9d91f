import { abortable } from './abortable.ts'
import { settlesWithin } from './deadline.ts'
import { createSingleFlight, type SharedWork, type SingleFlight } from './single-flight.ts'
import { TransientMap } from './transient-map.ts'

export interface SerialSingleFlightOptions {
  /**
   * How long a run may be queued. Then it begins beside the run in flight, so that a read that hangs delays its key only once by
   * this time. Default: a run waits until the run in flight has ended.
   */
  readonly maxWaitMs?: number
}

/**
 * Serial single-flight: for each key one run in flight and at most one queued. Callers that arrive during a run share the queued
 * one, so every run begins after each of its callers has called: unlike joining the run in flight, no caller gets a result that
 * is older than its own last write. The load of a key is bounded by two runs, however many callers there are. Keys do not wait
 * for each other, and an idle key takes no memory.
 *
 * @returns runs the work of the run's first caller; a caller's signal lets it leave, also while its run is queued
 */
export function createSerialSingleFlight<T>({ maxWaitMs }: SerialSingleFlightOptions = {}): SingleFlight<T> {
  const queued = createSingleFlight<T>()
  /** Resolves when the newest run of a key has ended; absent for an idle key. */
  const lastEnds = new TransientMap<string, Promise<void>>()

  function setLastEnd(key: string, end: Promise<void>): void {
    lastEnds.set(key, end)
    end.then(() => {
      if (lastEnds.get(key) === end) lastEnds.delete(key)
    })
  }

  const afterLast = (key: string, work: SharedWork<T>): SharedWork<T> => {
    return async (signal, close) => {
      const previous = lastEnds.get(key)
      const { promise: end, resolve } = Promise.withResolvers<void>()
      // A run whose callers leave while it is queued ends first: the next one still waits for the run in flight.
      setLastEnd(key, previous === undefined ? end : previous.then(() => end))
      try {
        if (previous !== undefined) {
          const isFree = maxWaitMs === undefined ? previous : settlesWithin(previous, maxWaitMs)
          if ((await abortable(Promise.resolve(isFree), signal)) === false) setLastEnd(key, end)
        }
        close()
        return await work(signal, close)
      } finally {
        resolve()
      }
    }
  }

  return (key, signal, work) => queued(key, signal, afterLast(key, work))
}
