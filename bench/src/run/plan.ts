import type { Scenario, Variant } from './scenario.ts'

/** How long the parts of one boot take. */
export interface Durations {
  readonly warmupMs: number
  readonly closedMs: number
  readonly openMs: number
}

export const shortDurations: Durations = { warmupMs: 1000, closedMs: 500, openMs: 650 }
export const longDurations: Durations = { warmupMs: 4000, closedMs: 2000, openMs: 3000 }

/** Start, stop and counting of one boot: about a second here. */
const overheadMs = 1600

/** The variants of a scenario in the order of a round: A B, then B A, and so on, so that drift cancels out. */
export function orderOf(scenario: Scenario, round: number, variants = scenario.variants): readonly Variant[] {
  const forward = [scenario.tuned, ...variants]
  return round % 2 === 0 ? forward : forward.toReversed()
}

/** What one round over all scenarios is expected to take, in ms. */
export function roundMs(scenarios: readonly Scenario[], durations: Durations): number {
  return scenarios.reduce(
    (sum, { variants, open }) =>
      sum +
      (variants.length + 1) *
        (overheadMs +
          durations.warmupMs / 2 +
          durations.closedMs +
          Math.max(durations.openMs, open?.leastMs ?? 0)),
    0,
  )
}

/**
 * Whether another round is begun.
 *
 * @param leftMs until the end of the budget
 * @param lastMs what the last round took
 * @param done rounds so far
 */
export function anotherRound(
  leftMs: number,
  lastMs: number,
  done: number,
  least: number,
  most: number,
): boolean {
  if (done < least) return true
  return done < most && lastMs <= leftMs
}
