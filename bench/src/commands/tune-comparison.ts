import type { Bench } from '../run/bench.ts'
import type { MeasuredScenario } from '../run/boots.ts'
import type { Scenario } from '../run/scenario.ts'
import { attemptBoot, type ScenarioBoot } from '../run/scenario-boot.ts'
import { effectOfComparison } from '../run/summary.ts'
import type { Effect } from '../stats/effect.ts'
import { MINIMUM_BOOTS } from '../stats/verdict.ts'

export interface ComparisonLimits {
  /** Requests a second of the open loop; default: by the throughput of the first boot. */
  readonly rate: number | undefined
  readonly maximumBoots: number
  /** On the clock of `performance.now()`. */
  readonly untilMs: number
  /** Measures all boots, even when the result is already clear. */
  readonly allBoots?: boolean
}

interface Comparison {
  readonly measured: MeasuredScenario
  readonly effect: Effect
}

/** A gain below this is not worth a setting that differs from the default. */
const WORTHWHILE = 1.02

/** Compares the two sides of a scenario in fresh boots, and ends early once the result is clear. */
export async function compareBoots(
  bench: Bench,
  scenario: Scenario,
  { rate, maximumBoots, untilMs, allBoots = false }: ComparisonLimits,
): Promise<Comparison> {
  const boots: ScenarioBoot[] = []
  let refused: string | undefined
  while (boots.length < maximumBoots && performance.now() < untilMs) {
    const boot = await attemptBoot(bench, scenario, boots.length, rate ?? boots[0]?.ratePerSecond)
    if (typeof boot === 'string') {
      refused = boot
      break
    }
    boots.push(boot)
    if (!allBoots && isClear(effectOfComparison({ scenario, boots, refused }))) break
  }
  const measured = { scenario, boots, refused }
  return { measured, effect: effectOfComparison(measured) }
}

/** A significant gain, or an interval that leaves no room for a worthwhile one. */
function isClear({ boots, low, high }: Effect): boolean {
  if (boots >= 2 && high < WORTHWHILE) return true
  return boots >= MINIMUM_BOOTS && low > 1
}
