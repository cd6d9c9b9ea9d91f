import { performance } from 'node:perf_hooks'

/** A read that is under way for a key, which every reader of this process shares. */
export type Flight<T> = FlightState & {
  readonly promise: Promise<T>
  readonly resolve: (outcome: T) => void
  readonly reject: (error: unknown) => void
}

type FlightState = {
  readonly key: string
  readonly startedAt: number
  /** It holds or awaits a value, which an invalidation from now on would make old. Otherwise it waits for a lease. */
  guarding: boolean
  /** Something about the key was missed or changed since it started: its value stays out of tier 1, nobody joins it. */
  dirty: boolean
  /** The key itself was invalidated meanwhile. */
  invalidated: boolean
  /** The outcome was old already when it was found: whoever waits for it reads again. */
  superseded: boolean
  wake: (() => void) | undefined
}

/** One that nobody can join: a refresh in the background. */
export function createFlight<T>(key: string): Flight<T> {
  const { promise, resolve, reject } = Promise.withResolvers<T>()
  promise.catch(() => {})
  return {
    key,
    startedAt: performance.now(),
    promise,
    resolve,
    reject,
    guarding: true,
    dirty: false,
    invalidated: false,
    superseded: false,
    wake: undefined,
  }
}

export type Flights = ReturnType<typeof createFlights>

/** The reads under way in this process, by key. */
export function createFlights() {
  // One map for all namespaces: invalidations come by key. A key belongs to one namespace, so to one type of outcome.
  const byKey = new Map<string, FlightState>()

  return {
    get: <T>(key: string) => byKey.get(key) as Flight<T> | undefined,
    /** Starts one, in place of any that is under way: that one's value is then older. */
    start<T>(key: string): Flight<T> {
      const flight = createFlight<T>(key)
      const older = byKey.get(key)
      if (older !== undefined) older.dirty = true
      byKey.set(key, flight)
      const landed = () => {
        if (byKey.get(key) === flight) byKey.delete(key)
      }
      flight.promise.then(landed, landed)
      return flight
    },
    invalidated(key: string) {
      const flight = byKey.get(key)
      if (flight !== undefined) invalidate(flight)
    },
    /** A whole namespace has changed, or invalidations may have been missed: what is under way is for those who wait for it. */
    unproven(prefix = '') {
      for (const flight of byKey.values()) if (flight.key.startsWith(prefix)) flight.dirty = true
    },
  }

  function invalidate(flight: FlightState) {
    flight.wake?.()
    if (!flight.guarding) return
    flight.dirty = true
    flight.invalidated = true
    if (byKey.get(flight.key) === flight) byKey.delete(flight.key)
  }
}
