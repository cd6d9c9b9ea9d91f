import { createSerialSingleFlight } from './serial-single-flight.ts'
import type { SingleFlight } from './single-flight.ts'

/** A read takes milliseconds. One that hangs delays the reads behind it by this time, and not until its own deadline. */
const MAX_WAIT_MS = 1_000

/**
 * Reads of which identical ones share a run while it is computed, by the rule of {@link createSerialSingleFlight}: each caller
 * gets a result that was read after its call. Only calls with the same key at the same time gain.
 *
 * @param enabled `false`: every call reads by itself
 */
export function createSharedReads<T>(enabled: boolean): SingleFlight<T> {
  return enabled ? createSerialSingleFlight<T>({ maxWaitMs: MAX_WAIT_MS }) : readAlone
}

const { signal: NEVER } = new AbortController()

const readAlone = <T>(
  _key: string,
  signal: AbortSignal | undefined,
  work: Parameters<SingleFlight<T>>[2],
): Promise<T> => work(signal ?? NEVER, () => {})
