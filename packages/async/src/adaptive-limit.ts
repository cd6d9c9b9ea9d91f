export interface AdaptiveLimitOptions {
  /** The limit never falls below it: so few pieces of work at once are no overload. */
  readonly minimum: number
  readonly maximum: number
  /** At the start, and again after a time without pressure. */
  readonly initial: number
  /** A latency of twice the normal one and this much more is no sign of a queue, in milliseconds. */
  readonly slackMs: number
  /** The monotonic clock, in milliseconds. */
  readonly now?: () => number
}

/** A kind of work with a normal latency of its own, such as one route. */
export interface LatencySeries {
  /** Its latency while little is in flight; undefined until work of this kind has ended. */
  readonly normalMs: number | undefined
}

/** Samples are collected for at least this long, and until there are {@link WINDOW_SAMPLES}, but no longer than {@link LONGEST_WINDOW_MS}. */
const WINDOW_MS = 100
const WINDOW_SAMPLES = 10
const LONGEST_WINDOW_MS = 1_000

/** In a window below this share of the limit nothing waits, so its latencies are normal ones. */
const QUIET_SHARE = 0.125
/** The limit grows only while at least this share of it is used. */
const USED_SHARE = 0.5

/** The normal latency and the limit go these shares of the way to their new values, so that one window decides nothing. */
const NORMAL_STEP = 0.1
const LIMIT_STEP = 0.5
const LEAST_GRADIENT = 0.5
/** Above 1, so that a limit far below what the service can do doubles within a second. */
const LARGEST_GRADIENT = 1.2
/** Without pressure the limit returns to its initial value by this share of the distance for each second. */
const RECOVERY_PER_SECOND = 0.2

/**
 * A limit of the work in flight that follows the latency: when work takes longer than it normally does, it waits in a queue, and a
 * lower limit gives the same throughput. By Little's law a limit L at a throughput X bounds the latency at L / X.
 *
 * After the gradient of Netflix's concurrency-limits (`Gradient2Limit`) and of Envoy's adaptive concurrency filter: for each window of
 * samples, `limit = limit × clamp(target / latency, 0.5, 1.2) + √limit`, where `√limit` is the queue that is allowed. It differs in what
 * it compares with. Both compare with a latency that is measured under the same load: Netflix' average follows the queue upwards
 * when an overload lasts, and Envoy must stop the traffic to find its minimum. Here only quiet windows raise the normal latency, and
 * a loaded one can only lower it. And each kind of work has its own, because a page takes ten times as long as a row.
 *
 * It holds no timer: time passes with the samples.
 */
export class AdaptiveLimit {
  readonly #options: AdaptiveLimitOptions
  readonly #now: () => number
  #limit: number
  #active: Series[] = []
  #samples = 0
  #pressure = 0
  #windowStart: number

  constructor(options: AdaptiveLimitOptions) {
    this.#options = options
    this.#now = options.now ?? (() => performance.now())
    this.#limit = clamp(options.initial, options.minimum, options.maximum)
    this.#windowStart = this.#now()
  }

  /** How much may be in flight. */
  get limit(): number {
    return Math.floor(this.#limit)
  }

  series(): LatencySeries {
    return new Series()
  }

  /**
   * Work has ended.
   *
   * @param pressure the share of the limit that was in flight when it began; above 1 if work was refused
   */
  ended(series: LatencySeries, latencyMs: number, pressure: number): void {
    const own = series as Series
    if (own.samples === 0) this.#active.push(own)
    own.samples++
    own.sumMs += latencyMs
    this.#samples++
    if (pressure > this.#pressure) this.#pressure = pressure
    this.#endWindowIfDue()
  }

  /** Work was refused because of the limit. */
  refused(): void {
    this.#pressure = Math.max(this.#pressure, 1)
    this.#endWindowIfDue()
  }

  #endWindowIfDue(): void {
    const elapsedMs = this.#now() - this.#windowStart
    if (elapsedMs < WINDOW_MS) return
    if (this.#samples < WINDOW_SAMPLES && elapsedMs < LONGEST_WINDOW_MS) return
    this.#adapt(this.#takeLoad(), elapsedMs / 1000)
    this.#samples = 0
    this.#pressure = 0
    this.#windowStart += elapsedMs
  }

  /** @param load the latency of the window as a multiple of its target; undefined without a sample */
  #adapt(load: number | undefined, seconds: number): void {
    const { minimum, maximum, initial } = this.#options
    if (this.#pressure < USED_SHARE) {
      if (this.#limit < initial) {
        this.#limit += (Math.min(initial, maximum) - this.#limit) * Math.min(1, RECOVERY_PER_SECOND * seconds)
      }
    } else if (load !== undefined) {
      const gradient = clamp(1 / load, LEAST_GRADIENT, LARGEST_GRADIENT)
      const wanted = this.#limit * gradient + Math.sqrt(this.#limit)
      this.#limit += (wanted - this.#limit) * LIMIT_STEP
    }
    this.#limit = clamp(this.#limit, minimum, maximum)
  }

  /** Ends the window of each series. @returns the latency as a multiple of its target, the mean over all samples */
  #takeLoad(): number | undefined {
    if (this.#samples === 0) return undefined
    const isQuiet = this.#pressure < QUIET_SHARE
    let load = 0
    for (const series of this.#active) load += series.takeLoad(this.#options.slackMs, isQuiet)
    this.#active = []
    return load / this.#samples
  }
}

class Series implements LatencySeries {
  normalMs: number | undefined
  samples = 0
  sumMs = 0

  /** @returns the sum over the samples of the window of their latency as a multiple of the target */
  takeLoad(slackMs: number, isQuiet: boolean): number {
    const { samples, sumMs } = this
    const meanMs = sumMs / samples
    this.samples = 0
    this.sumMs = 0
    if (this.normalMs === undefined || meanMs < this.normalMs) this.normalMs = meanMs
    else if (isQuiet) this.normalMs += (meanMs - this.normalMs) * NORMAL_STEP
    return sumMs / (2 * this.normalMs + slackMs)
  }
}

function clamp(value: number, low: number, high: number): number {
  return Math.max(Math.min(value, high), Math.min(low, high))
}
