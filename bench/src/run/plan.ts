import type { DuetDurations } from '../duet/measure.ts'
import type { Scenario } from './scenario.ts'

const SHORT_DURATIONS: DuetDurations = {
  warmUpMs: 800,
  warmUpLimitMs: 1800,
  measureMs: 1400,
  limitMs: 8000,
  pacedMs: 400,
  pacedTurns: 1,
}
const LONG_DURATIONS: DuetDurations = {
  warmUpMs: 2000,
  warmUpLimitMs: 12_000,
  measureMs: 4000,
  limitMs: 20_000,
  pacedMs: 1000,
  pacedTurns: 2,
}

/** Duration of each part of a boot, for each variant. */
export function durationsFor({ full }: { readonly full: boolean }): DuetDurations {
  return full ? LONG_DURATIONS : SHORT_DURATIONS
}

/** Start, stop and counting of one variant: about a second on two cores. */
const OVERHEAD_MS = 1200

/** Expected duration of one boot of all variants of these scenarios, in ms. */
export function bootsMs(scenarios: readonly Scenario[], durations: DuetDurations): number {
  const { warmUpLimitMs, measureMs, pacedMs, pacedTurns } = durations
  const variantMs = OVERHEAD_MS + warmUpLimitMs / 2 + measureMs + pacedMs * pacedTurns
  return scenarios.reduce((sum, { variants }) => sum + (variants.length + 1) * variantMs, 0)
}
