/**
 * Callers who ask for the same thing at the same time share one piece of work. It has a signal of its own, which is
 * aborted when the last of them has left: one client that goes away takes nothing from the others.
 */
export type Share<T> = (key: string, signal: AbortSignal, work: SharedWork<T>) => Promise<T>

/** `depart()` closes the doors: whoever asks from then on starts work anew. Without it they close when the work ends. */
export type SharedWork<T> = (signal: AbortSignal, depart: () => void) => Promise<T>

interface Flight<T> {
  readonly result: Promise<T>
  readonly controller: AbortController
  passengers: number
  depart(): void
}

export function createShare<T>(): Share<T> {
  const boarding = new Map<string, Flight<T>>()

  function start(key: string, work: SharedWork<T>): Flight<T> {
    const controller = new AbortController()
    const depart = () => {
      if (boarding.get(key) === flight) boarding.delete(key)
    }
    const run = async () => {
      try {
        return await work(controller.signal, depart)
      } finally {
        depart()
      }
    }
    // Begins on the next turn of the microtasks, when `flight` is there for `depart`.
    const flight: Flight<T> = { result: Promise.resolve().then(run), controller, passengers: 0, depart }
    boarding.set(key, flight)
    return flight
  }

  return async (key, signal, work) => {
    signal.throwIfAborted()
    return travel(boarding.get(key) ?? start(key, work), signal)
  }
}

/** The last to leave waits until the work has ended, so that nothing of it outlives the call. */
async function travel<T>(flight: Flight<T>, signal: AbortSignal): Promise<T> {
  flight.passengers++
  const left = Promise.withResolvers<never>()
  const leave = () => {
    flight.passengers--
    if (flight.passengers > 0) return left.reject(signal.reason)
    flight.depart()
    flight.controller.abort(signal.reason)
  }
  signal.addEventListener('abort', leave, { once: true })
  try {
    return await Promise.race([flight.result, left.promise])
  } catch (error) {
    throw signal.aborted ? signal.reason : error
  } finally {
    signal.removeEventListener('abort', leave)
  }
}
