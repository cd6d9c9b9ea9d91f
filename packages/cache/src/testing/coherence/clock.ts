/** The machine's monotonic clock: the same in every process, also while one is paused. */
export const monotonicMs = (): number => Number(process.hrtime.bigint()) / 1e6

const TICK_MS = 10

/** Times in which this process did not run when it should have: then the processes beside it did not either. */
export class LostTime {
  readonly #losses: { at: number; ms: number }[] = []
  readonly #timer: NodeJS.Timeout

  constructor() {
    let last = monotonicMs()
    this.#timer = setInterval(() => {
      const now = monotonicMs()
      const ms = now - last - TICK_MS
      if (ms > TICK_MS / 2) this.#losses.push({ at: now, ms })
      last = now
    }, TICK_MS)
  }

  /** The time that `ms` milliseconds of the processes, from `at` on, have taken on the clock. */
  stretched(at: number, ms: number): number {
    let end = at + ms
    for (const loss of this.#losses) if (loss.at > at && loss.at - loss.ms < end) end += loss.ms
    return end - at
  }

  stop(): void {
    clearInterval(this.#timer)
  }
}
