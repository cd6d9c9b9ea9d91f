import type { Bench } from '../run/bench.ts'
import { attemptBoot } from '../run/boot.ts'
import { type MeasuredBoot, withoutObjections } from '../run/boot-result.ts'
import { orderOf } from '../run/plan.ts'
import type { MeasuredScenario } from '../run/rounds.ts'
import type { Scenario } from '../run/scenario.ts'
import { ratioOf } from '../run/summary.ts'
import { type Effect, pairedEffect } from '../stats/effect.ts'

export interface ComparisonLimits {
  /** Requests a second of the open loop; undefined: none. */
  readonly rate: number | undefined
  readonly maximumPairs: number
  /** On the clock of `performance.now()`. */
  readonly untilMs: number
  readonly allowNoise: boolean
  /** Measures all pairs, even when the result is already clear. */
  readonly allPairs?: boolean
}

interface PairedComparison {
  readonly measured: MeasuredScenario
  readonly effect: Effect
  /** Including pairs that do not count. */
  readonly pairs: number
}

/** Compares the two sides of a scenario in pairs, A B, B A, …, and ends early once the result is clear. */
export async function comparePairs(
  bench: Bench,
  scenario: Scenario,
  limits: ComparisonLimits,
): Promise<PairedComparison> {
  const boots = new Map<string, MeasuredBoot[]>()
  const ratios: number[] = []
  let pairs = 0
  let refused: string | undefined
  while (pairs < limits.maximumPairs && performance.now() < limits.untilMs) {
    refused = await bootPair(bench, scenario, pairs, limits, boots)
    if (refused !== undefined) break
    pairs++
    const ratio = lastRatio(scenario, boots)
    if (ratio !== undefined) ratios.push(ratio)
    if (ratio !== undefined && !limits.allPairs && isClear(ratios)) break
  }
  return { measured: { scenario, boots, refused }, effect: pairedEffect(ratios), pairs }
}

/** @returns why the pair cannot be measured, or undefined */
async function bootPair(
  bench: Bench,
  scenario: Scenario,
  round: number,
  { rate, allowNoise }: ComparisonLimits,
  boots: Map<string, MeasuredBoot[]>,
): Promise<string | undefined> {
  for (const variant of orderOf(scenario, round)) {
    const boot = await attemptBoot(bench, { scenario, variant, round, rate })
    if (typeof boot === 'string') return `${variant.name}: ${boot}`
    const counted = allowNoise ? withoutObjections(boot) : boot
    boots.set(variant.name, [...(boots.get(variant.name) ?? []), counted])
  }
  return undefined
}

/** The ratio of the last pair; undefined when it does not count. */
function lastRatio(
  { primary, tuned, variants: [other] }: Scenario,
  boots: ReadonlyMap<string, readonly MeasuredBoot[]>,
): number | undefined {
  const changed = boots.get(tuned.name)?.at(-1)?.boot
  const base = boots.get(other?.name ?? '')?.at(-1)?.boot
  if (changed === undefined || base === undefined) return undefined
  if (changed.objections.length + base.objections.length > 0) return undefined
  return ratioOf(primary, changed, base)
}

/** A significant gain after three pairs, or none to expect after two. */
function isClear(ratios: readonly number[]): boolean {
  const hopeless = ratios.length >= 2 && ratios.every((ratio) => ratio < 1.02)
  return hopeless || (ratios.length >= 3 && pairedEffect(ratios).low > 1)
}
