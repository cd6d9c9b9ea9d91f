import { abortable } from './abortable.ts'
import { createSingleFlight, type SharedWork } from './single-flight.ts'

/**
 * Serial single-flight: one run in flight and at most one queued. Callers that arrive during a run share the queued one, so
 * every run begins after each of its callers has called: unlike joining the run in flight, no caller gets a result that is
 * older than its own last write. The load is bounded by two runs, however many callers there are.
 *
 * @param work its signal aborts when the last of the callers of this run has left
 * @returns runs the work; the caller's signal lets it leave, also while its run is queued
 */
export function createSerialSingleFlight<T>(
  work: (signal: AbortSignal) => Promise<T>,
): (signal: AbortSignal) => Promise<T> {
  const queued = createSingleFlight<T>()
  let lastRun: Promise<unknown> = Promise.resolve()

  const runAfterLast: SharedWork<T> = async (signal, close) => {
    const previous = lastRun
    const ended = Promise.withResolvers<void>()
    lastRun = previous.then(() => ended.promise)
    try {
      await abortable(previous, signal)
      close()
      return await work(signal)
    } finally {
      ended.resolve()
    }
  }

  return (signal) => queued('', signal, runAfterLast)
}
