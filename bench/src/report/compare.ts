import { type Effect, unpairedEffect } from '../stats/effect.ts'
import { holm } from '../stats/holm.ts'
import { times } from './format.ts'
import type { FingerprintResult, Results, VariantResult } from './schema.ts'

/** A variant that both runs have. */
interface VariantPair {
  readonly name: string
  readonly before: VariantResult
  readonly now: VariantResult
}

interface ThroughputChange {
  readonly name: string
  readonly effect: Effect
  /** One-sided p-value of "the loss is within the margin". */
  readonly pLoss: number
}

interface CostChange {
  readonly text: string
  readonly more: boolean
}

/**
 * Compares two runs: the throughput of each variant that both have (Welch, Holm), and, exactly, its statements and commands
 * a request.
 *
 * @param margin accepted loss, 0.05 for 5 %
 * @returns the text to print, and whether there is a loss: a throughput significantly below the margin, or more statements
 *   or commands a request than before
 */
export function compareResults(old: Results, now: Results, margin: number): { text: string; loss: boolean } {
  const pairs = variantPairs(old, now)
  const changes = pairs.flatMap((pair) => throughputChange(pair, margin))
  const adjusted = holm(changes.map(({ pLoss }) => pLoss))
  const costs = pairs.flatMap(costChanges)
  const lines = [
    ...headLines(old, now, margin),
    ...(pairs.length === 0 ? ['  the two runs have no variant in common'] : []),
    ...changes.map((change, i) => changeLine(change, (adjusted[i] ?? 1) < 0.05)),
    ...costs.map(({ text }) => `  ${text}`),
  ]
  return {
    text: `${lines.join('\n')}\n`,
    loss: adjusted.some((p) => p < 0.05) || costs.some(({ more }) => more),
  }
}

function variantPairs(old: Results, now: Results): VariantPair[] {
  const before = new Map<string, VariantResult>(
    old.scenarios.flatMap(({ name, variants }) =>
      variants.map((variant) => [`${name}: ${variant.name}`, variant] as const),
    ),
  )
  return now.scenarios.flatMap((scenario) =>
    scenario.variants.flatMap((variant) => {
      const name = `${scenario.name}: ${variant.name}`
      const earlier = before.get(name)
      return earlier === undefined ? [] : [{ name, before: earlier, now: variant }]
    }),
  )
}

function throughputChange({ name, before, now }: VariantPair, margin: number): ThroughputChange[] {
  const [a, b] = [ratesOf(before), ratesOf(now)]
  if (a.length < 2 || b.length < 2) return []
  const floor = unpairedEffect(
    a.map((rate) => rate * (1 - margin)),
    b,
  )
  return [{ name, effect: unpairedEffect(a, b), pLoss: floor.ratio < 1 ? floor.p / 2 : 1 }]
}

function ratesOf({ boots }: VariantResult): number[] {
  return boots.filter(({ objections }) => objections.length === 0).map(({ throughput }) => throughput)
}

function changeLine({ name, effect }: ThroughputChange, lost: boolean): string {
  const verdict = lost ? 'LOSS' : effect.low > 1 ? 'gain' : ''
  const interval = `${effect.low.toFixed(2)} to ${effect.high.toFixed(2)}`
  return `  ${name}: ${times(effect.ratio)} (95 %: ${interval}) ${verdict}`.trimEnd()
}

function costChanges({ name, before, now }: VariantPair): CostChange[] {
  if (before.boots.length === 0 || now.boots.length === 0) return []
  return (['statements', 'commands'] as const).flatMap((cost) => {
    const [a, b] = [before.summary[cost], now.summary[cost]]
    if (a === b) return []
    // Jobs run in batches, so boots of one run differ: only more than the highest of them is a loss.
    const more = b > Math.max(a, ...before.boots.map((boot) => boot[cost]))
    const what = cost === 'statements' ? 'SQL statements' : 'Redis commands'
    return [{ text: `${name}: ${what} a request ${a} → ${b}${more ? ' LOSS' : ''}`, more }]
  })
}

function headLines(old: Results, now: Results, margin: number): string[] {
  const { commit } = old.fingerprint
  const differing = differences(old.fingerprint, now.fingerprint)
  return [
    `Compared with ${old.startedAt}${commit ? ` (${commit.slice(0, 10)})` : ''}, margin ${(margin * 100).toFixed(0)} %`,
    ...(differing.length > 0
      ? [`  not the same machine or set-up, so speeds are not comparable: ${differing.join('; ')}`]
      : []),
  ]
}

/** Differences of two machines or set-ups in words, except commit and settings, which are the subject of the comparison. */
function differences(before: FingerprintResult, after: FingerprintResult): string[] {
  const names = [
    ...(['cpuModel', 'cores', 'memoryBytes', 'platform', 'kernel', 'node'] as const),
    ...(['postgres', 'redis', 'placement'] as const),
  ]
  return names.flatMap((name) =>
    before[name] === after[name] ? [] : [`${name}: ${before[name] ?? 'none'} → ${after[name] ?? 'none'}`],
  )
}
