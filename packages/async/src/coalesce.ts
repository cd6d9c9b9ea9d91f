/**
 * Makes concurrent calls share one run: a call during a run gets that run's outcome, a call after it starts the next one.
 * A failure reaches every caller of its run and is not kept.
 *
 * The caller may get a result that was read before its call. `createSerialSingleFlight` gives none that is older than the
 * call, and has keys and callers that may leave.
 *
 * @example
 * const readDepths = coalesce(() => database.run(queueDepths))
 */
export function coalesce<T>(run: () => Promise<T>): () => Promise<T> {
  let inFlight: Promise<T> | undefined
  return () => {
    inFlight ??= run().finally(() => {
      inFlight = undefined
    })
    return inFlight
  }
}
