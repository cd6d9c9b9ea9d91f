import { performance } from 'node:perf_hooks'

/** A read that is under way for a key, which every reader of this process shares. */
export class Flight<T> {
  readonly key: string
  readonly startedAt = performance.now()
  readonly promise: Promise<T>
  /** It holds or awaits a value, which an invalidation from now on would make old. Otherwise it waits for a lease. */
  guarding = true
  /** Something about the key was missed or changed since it started: its value stays out of tier 1, nobody joins it. */
  dirty = false
  /** The key itself was announced as changed meanwhile. */
  invalidated = false
  wake: (() => void) | undefined
  private readonly flights: Map<string, unknown> | undefined
  private readonly settle: (outcome: T | Promise<T>) => void
  private readonly fail: (error: unknown) => void

  constructor(key: string, flights?: Map<string, unknown>) {
    const { promise, resolve, reject } = Promise.withResolvers<T>()
    this.key = key
    this.promise = promise
    this.settle = resolve
    this.fail = reject
    this.flights = flights
  }

  resolve(outcome: T | Promise<T>) {
    this.land()
    this.settle(outcome)
  }

  reject(error: unknown) {
    this.land()
    // A refresh in the background may have nobody who waits for it.
    this.promise.catch(() => {})
    this.fail(error)
  }

  private land() {
    if (this.flights?.get(this.key) === this) this.flights.delete(this.key)
  }
}

export type Flights = ReturnType<typeof createFlights>

/** The reads under way in this process, by key. */
export function createFlights() {
  // One map for all namespaces, since invalidations come by key. A key belongs to one namespace, so to one type of outcome.
  const byKey = new Map<string, Pick<Flight<never>, 'key' | 'guarding' | 'dirty' | 'invalidated' | 'wake'>>()

  return {
    get: <T>(key: string) => byKey.get(key) as Flight<T> | undefined,
    /** Starts one, in place of any that is under way: that one's value is then older. */
    start<T>(key: string): Flight<T> {
      const flight = new Flight<T>(key, byKey)
      const older = byKey.get(key)
      if (older !== undefined) older.dirty = true
      byKey.set(key, flight)
      return flight
    },
    invalidated(key: string) {
      const flight = byKey.get(key)
      if (flight === undefined) return
      flight.wake?.()
      if (!flight.guarding) return
      flight.dirty = true
      flight.invalidated = true
      byKey.delete(key)
    },
    /** A whole namespace has changed, or invalidations may have been missed: what is under way is for those who wait for it. */
    unproven(prefix = '') {
      for (const flight of byKey.values()) if (flight.key.startsWith(prefix)) flight.dirty = true
    },
  }
}
