export interface PlantedLoopOptions {
  /** CPU time to add to a request, as a share of what a request costs without it. */
  readonly share: number
  /** Time in µs for which the process was busy since its start. */
  readonly busyMicros: () => number
  /** Runs the loop; its cost is proportional to the number of iterations. */
  readonly burn: (iterations: number) => void
}

/** Busy time of a window without the loop, in µs: long beside a reading of the clock, short beside a change of the core's speed. */
const WINDOW_MICROS = 5000
/** Weight of the pairs of windows before the newest one. */
const MEMORY = 0.99
/** Too short to be seen: the loop grows from here, since one that is too long would take long to be found out. */
const FIRST_ITERATIONS = 10
const LARGEST_STEP = 1.5
const FIRST_WINDOW_REQUESTS = 50

/**
 * Makes requests dearer by a known share of their cost.
 *
 * A loop burns CPU time in the requests of every second window. Two neighbouring windows, with and without the loop, show what an
 * iteration costs in units of a request, in the service's own surroundings and at the core's own speed. The length of the loop follows from
 * that. A calibration elsewhere was wrong by a factor of up to five: the same loop costs 1, 5 or 15 ns an iteration, depending on
 * how V8 has compiled it, and the first wide vector instructions after a pause are as much slower.
 */
export class PlantedLoop {
  readonly #options: PlantedLoopOptions
  #loops = false
  /** Of the loop in a request of a window that has it. */
  #iterations = FIRST_ITERATIONS
  #requests = 0
  #windowRequests = FIRST_WINDOW_REQUESTS
  #last: number
  /** Busy time of a request in the window before, without the loop. */
  #plainMicros = 0
  /** Of the regression through the origin of the added cost on the iterations. */
  #iterationsByAdded = 0
  #iterationsSquared = 0

  constructor(options: PlantedLoopOptions) {
    this.#options = options
    this.#last = options.busyMicros()
  }

  onRequest(): void {
    if (this.#loops) this.#options.burn(this.#iterations)
    if (++this.#requests < this.#windowRequests) return
    const now = this.#options.busyMicros()
    const micros = (now - this.#last) / this.#requests
    if (this.#loops) this.#learn(micros / this.#plainMicros - 1)
    else {
      this.#plainMicros = micros
      this.#windowRequests = Math.max(1, Math.round(WINDOW_MICROS / micros))
    }
    this.#loops = !this.#loops
    this.#requests = 0
    this.#last = now
  }

  /** @param added busy time of a request with the loop beyond one without it, as a share of the latter */
  #learn(added: number): void {
    // Half of the requests have the loop, which is twice as long for that.
    const target = 2 * this.#options.share
    // What is further away is a change of the core's speed.
    const bounded = Math.min(Math.max(added, target - 1), target + 1)
    this.#iterationsByAdded = MEMORY * this.#iterationsByAdded + this.#iterations * bounded
    this.#iterationsSquared = MEMORY * this.#iterationsSquared + this.#iterations ** 2
    const cost = this.#iterationsByAdded / this.#iterationsSquared
    const wanted = cost > 0 ? target / cost : Infinity
    const [least, most] = [this.#iterations / LARGEST_STEP, this.#iterations * LARGEST_STEP]
    this.#iterations = Math.ceil(Math.min(Math.max(wanted, least), most))
  }
}
