import { cpuMsOf, rateOf, ratiosOf, type Slice } from '../src/duet/slice.ts'
import { isSteady } from '../src/duet/steady.ts'
import { type Effect, effectWithinBoot } from '../src/stats/effect.ts'
import { rounded } from '../src/stats/rounded.ts'
import type { Comparison, Interval, OfBoth } from './protocol.ts'

/** Turns that count; older ones are dropped, so that a page that is open for hours shows the present. */
const MOST_TURNS = 400
const FIRST_CHECK = 16

/**
 * The running ratio of the two copies: yours by shipped, turn by turn, as the benchmark computes it for one boot.
 *
 * When the copies still change against each other, the earlier half of the turns is dropped, as a longer warm-up would have done. The
 * check follows at 16, 32, 64 … turns, because a check at each turn would find a change by chance.
 */
export class RunningComparison {
  #slices: { shipped: Slice[]; yours: Slice[] } = { shipped: [], yours: [] }
  #p99s: number[] = []
  #nextCheck = FIRST_CHECK

  reset(): void {
    this.#slices = { shipped: [], yours: [] }
    this.#p99s = []
    this.#nextCheck = FIRST_CHECK
  }

  /** Two slices of the closed loop, one right after the other. */
  addSlices({ shipped, yours }: OfBoth<Slice>): void {
    this.#slices.shipped.push(shipped)
    this.#slices.yours.push(yours)
    this.#keepNewest()
    if (this.#slices.yours.length < this.#nextCheck) return
    this.#nextCheck *= 2
    if (!isSteady(this.#ratios(rateOf))) this.#drop(this.#slices.yours.length >> 1)
  }

  /** The p99 of both copies at the fixed rate. */
  addLatencies({ shipped, yours }: OfBoth<number>): void {
    if (shipped > 0 && yours > 0) this.#p99s.push(yours / shipped)
    this.#p99s = this.#p99s.slice(-MOST_TURNS)
  }

  get result(): Comparison {
    return {
      turns: Math.max(this.#slices.yours.length, this.#p99s.length),
      rate: intervalOf(effectWithinBoot(this.#ratios(rateOf))),
      cpu: intervalOf(effectWithinBoot(this.#ratios(cpuMsOf))),
      p99: intervalOf(effectWithinBoot(this.#p99s)),
    }
  }

  #ratios(figure: (slice: Slice) => number | undefined): number[] {
    return ratiosOf(this.#slices.yours, this.#slices.shipped, figure)
  }

  #keepNewest(): void {
    this.#drop(Math.max(0, this.#slices.yours.length - MOST_TURNS))
  }

  #drop(count: number): void {
    this.#slices.shipped.splice(0, count)
    this.#slices.yours.splice(0, count)
  }
}

function intervalOf(effect: Effect | undefined): Interval | null {
  if (effect === undefined) return null
  const { ratio, low, high } = effect
  return { ratio: rounded(ratio, 4), low: rounded(low, 4), high: rounded(high, 4) }
}
