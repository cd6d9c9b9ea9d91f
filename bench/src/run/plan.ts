import type { Scenario, Variant } from './scenario.ts'

/** Duration of each part of a boot. */
export interface Durations {
  readonly warmupMs: number
  readonly closedMs: number
  readonly openMs: number
}

const SHORT_DURATIONS: Durations = { warmupMs: 1000, closedMs: 500, openMs: 650 }
const LONG_DURATIONS: Durations = { warmupMs: 4000, closedMs: 2000, openMs: 3000 }

export function durationsFor({ full }: { readonly full: boolean }): Durations {
  return full ? LONG_DURATIONS : SHORT_DURATIONS
}

/** Start, stop and counting of one boot: about a second on two cores. */
const OVERHEAD_MS = 1600

/** The variants of a scenario in the order of a round: A B, then B A, and so on, so that drift cancels out. */
export function orderOf({ tuned, variants }: Scenario, round: number): readonly Variant[] {
  const forward = [tuned, ...variants]
  return round % 2 === 0 ? forward : forward.toReversed()
}

/** Expected duration of one round over all scenarios, in ms. */
export function roundMs(scenarios: readonly Scenario[], durations: Durations): number {
  const { warmupMs, closedMs, openMs } = durations
  const bootMs = ({ open }: Scenario) =>
    OVERHEAD_MS + warmupMs / 2 + closedMs + Math.max(openMs, open?.leastMs ?? 0)
  return scenarios.reduce((sum, scenario) => sum + (scenario.variants.length + 1) * bootMs(scenario), 0)
}
