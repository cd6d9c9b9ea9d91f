import { differences } from '../run/fingerprint.ts'
import { type Effect, unpairedEffect } from '../stats/effect.ts'
import { holm } from '../stats/holm.ts'
import type { Results, VariantResult } from './schema.ts'
import { times } from './table.ts'

interface Change {
  readonly name: string
  readonly effect: Effect
  /** p of "the loss is not beyond the margin", one-sided. */
  readonly pLoss: number
}

/**
 * Compares two runs: for each variant that both have, the throughput over its boots (Welch, Holm), and, exactly, the
 * statements and commands a request.
 *
 * @param margin loss that is accepted, 0.05 for 5 %
 * @returns what to print, and whether anything was lost: a throughput that is significantly below the margin, or more
 *   statements or commands a request than before
 */
export function compareResults(old: Results, now: Results, margin: number): { text: string; loss: boolean } {
  const pairs = now.scenarios.flatMap((scenario) =>
    scenario.variants.flatMap((variant) => {
      const before = old.scenarios
        .find(({ name }) => name === scenario.name)
        ?.variants.find(({ name }) => name === variant.name)
      return before === undefined ? [] : [{ name: `${scenario.name}: ${variant.name}`, before, now: variant }]
    }),
  )
  const changes = pairs.flatMap(({ name, before, now }): Change[] => {
    const [a, b] = [ratesOf(before), ratesOf(now)]
    if (a.length < 2 || b.length < 2) return []
    const effect = unpairedEffect(a, b)
    const floor = unpairedEffect(
      a.map((rate) => rate * (1 - margin)),
      b,
    )
    return [{ name, effect, pLoss: floor.ratio < 1 ? floor.p / 2 : 1 }]
  })
  const adjusted = holm(changes.map(({ pLoss }) => pLoss))
  const lines = changes.map(({ name, effect }, i) => {
    const lost = (adjusted[i] ?? 1) < 0.05
    const verdict = lost ? 'LOSS' : effect.low > 1 ? 'gain' : ''
    return `  ${name}: ${times(effect.ratio)} (95 %: ${effect.low.toFixed(2)} to ${effect.high.toFixed(2)}) ${verdict}`.trimEnd()
  })
  const costs = pairs.flatMap(({ name, before, now }) => costChanges(name, before, now))
  const unlike = differences(old.fingerprint, now.fingerprint)
  const head = [
    `Compared with ${old.startedAt}${old.fingerprint.commit ? ` (${old.fingerprint.commit.slice(0, 10)})` : ''}, margin ${(margin * 100).toFixed(0)} %`,
    ...(unlike.length > 0
      ? [`  not the same machine or set-up, speeds compare badly: ${unlike.join('; ')}`]
      : []),
    ...(pairs.length === 0 ? ['  the two runs have nothing in common'] : []),
  ]
  const text = [...head, ...lines, ...costs.map(({ text }) => `  ${text}`)].join('\n')
  return { text: `${text}\n`, loss: adjusted.some((p) => p < 0.05) || costs.some(({ more }) => more) }
}

function ratesOf({ boots }: VariantResult): number[] {
  return boots.filter(({ objections }) => objections.length === 0).map(({ throughput }) => throughput)
}

function costChanges(
  name: string,
  before: VariantResult,
  now: VariantResult,
): { text: string; more: boolean }[] {
  if (before.boots.length === 0 || now.boots.length === 0) return []
  return (['statements', 'commands'] as const).flatMap((cost) => {
    const [a, b] = [before.summary[cost], now.summary[cost]]
    if (a === b) return []
    // Where jobs are taken in batches, boots of one run differ: only more than any of them is more.
    const most = Math.max(a, ...before.boots.map((boot) => boot[cost]))
    const what = cost === 'statements' ? 'SQL statements' : 'Redis commands'
    return [{ text: `${name}: ${what} a request ${a} → ${b}${b > most ? ' LOSS' : ''}`, more: b > most }]
  })
}
