import { AdaptiveLimit, type AdaptiveLimitOptions } from '../adaptive-limit.ts'

export interface Phase {
  readonly seconds: number
  readonly ratePerSecond: number
  /** How long a worker takes. */
  readonly serviceMs: number
}

export interface PhaseResult {
  readonly arrived: number
  readonly refused: number
  /** Answered within the patience of its caller. */
  readonly good: number
  /** In milliseconds, of what was answered. */
  readonly p50: number
  readonly p99: number
  /** At the end of the phase. */
  readonly limit: number
}

/**
 * A server with some workers and a queue in front of them, in virtual time: requests arrive at a fixed rate, and a limit decides which of
 * them are taken.
 */
export class SimulatedServer {
  readonly #patienceMs: number
  readonly #limit: AdaptiveLimit
  readonly #series: ReturnType<AdaptiveLimit['series']>
  /** When each worker is free, in the order of the times. */
  #freeAt: number[]
  /** The ends of what is in flight, in the order of the times. */
  #ends: { at: number; startedAt: number; pressure: number }[] = []
  #now = 0

  constructor({
    workers,
    patienceMs = 2_000,
    ...options
  }: Omit<AdaptiveLimitOptions, 'now'> & { workers: number; patienceMs?: number }) {
    this.#patienceMs = patienceMs
    this.#limit = new AdaptiveLimit({ ...options, now: () => this.#now })
    this.#series = this.#limit.series()
    this.#freeAt = new Array<number>(workers).fill(0)
  }

  run({ seconds, ratePerSecond, serviceMs }: Phase): PhaseResult {
    const latencies: number[] = []
    let refused = 0
    const beganAt = this.#now
    const arrived = Math.round(seconds * ratePerSecond)
    for (let n = 0; n < arrived; n++) {
      this.#advanceTo(beganAt + (n * 1000) / ratePerSecond)
      if (this.#ends.length >= this.#limit.limit) {
        refused++
        this.#limit.refused()
      } else latencies.push(this.#take(serviceMs))
    }
    this.#advanceTo(beganAt + seconds * 1000)
    const sorted = latencies.toSorted((a, b) => a - b)
    const quantile = (share: number) => sorted[Math.floor(share * sorted.length)] ?? 0
    const good = latencies.filter((ms) => ms <= this.#patienceMs).length
    return { arrived, refused, good, p50: quantile(0.5), p99: quantile(0.99), limit: this.#limit.limit }
  }

  #take(serviceMs: number): number {
    const [free = 0, ...others] = this.#freeAt
    const at = Math.max(this.#now, free) + serviceMs
    this.#freeAt = insert(others, at, (each) => each)
    const pressure = (this.#ends.length + 1) / this.#limit.limit
    this.#ends = insert(this.#ends, { at, startedAt: this.#now, pressure }, (end) => end.at)
    return at - this.#now
  }

  #advanceTo(time: number): void {
    for (let [next] = this.#ends; next !== undefined && next.at <= time; [next] = this.#ends) {
      this.#ends.shift()
      this.#now = next.at
      this.#limit.ended(this.#series, next.at - next.startedAt, next.pressure)
    }
    this.#now = time
  }
}

function insert<Item>(sorted: Item[], item: Item, timeOf: (item: Item) => number): Item[] {
  let index = sorted.length
  while (index > 0 && timeOf(sorted[index - 1] as Item) > timeOf(item)) index--
  sorted.splice(index, 0, item)
  return sorted
}
