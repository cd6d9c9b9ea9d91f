import { existsSync } from 'node:fs'
import { EXIT_CODES } from '@reference/cli'
import { scenarios as allScenarios } from '../../scenarios/index.ts'
import { writeFile } from '../report/results-file.ts'
import type { Results } from '../report/schema.ts'
import type { Scenario } from '../run/scenario.ts'
import { readRecordedBoots, recordBoots } from './aa-recording.ts'
import { measureSet, type SetArguments } from './measure-set.ts'
import { selectScenarios } from './select-scenarios.ts'

const DEFAULT_BUDGET_MS = 8 * 60_000
const LEVEL = 0.05

interface AaArguments extends SetArguments {
  /** A file for the figures of all boots. */
  readonly record: string | undefined
  /** CPU time that one of the two sides uses in addition, as a share of that of a request. */
  readonly planted: number | undefined
}

/**
 * `bench aa`, an A/A test: compares every set-up of the run with itself and counts how often the benchmark finds a
 * difference. With `planted` one side is slower, and the benchmark has to find it.
 *
 * @returns the exit code, 1 when more than one of 20 comparisons finds a difference, or a planted one is found in fewer than half
 */
export async function runAa(args: AaArguments, signal: AbortSignal): Promise<number> {
  const selected = selectScenarios(allScenarios, { names: args.scenarios, off: [], full: args.full })
  const same = selected.flatMap(againstItself)
  const scenarios = args.planted === undefined ? same : same.map(slowedDownBy(args.planted))
  const budgetMs = args.budgetMs ?? DEFAULT_BUDGET_MS
  const earlier =
    args.record !== undefined && existsSync(args.record) ? readRecordedBoots(args.record) : undefined
  const results = await measureSet(args, { scenarios, budgetMs }, signal)
  if (args.record !== undefined) {
    writeFile(args.record, recordBoots(results, earlier))
    process.stdout.write(`${args.record}\n`)
  }
  const { text, passed } = args.planted === undefined ? judgeAa(results) : judgePlanted(results)
  process.stdout.write(`${text}\n`)
  return passed && results.complete ? EXIT_CODES.OK : EXIT_CODES.FAILED
}

/** A scenario for each set-up of `scenario`, with identical sides. */
export function againstItself(scenario: Scenario): Scenario[] {
  return [scenario.tuned, ...scenario.variants].map((variant) => ({
    ...scenario,
    name: `${scenario.name}: ${variant.name}`,
    title: `${scenario.title}: ${variant.name}, twice`,
    tuned: { ...variant, name: 'A', label: 'identical' },
    variants: [{ ...variant, name: 'B', label: 'identical' }],
  }))
}

/** The scenario with a slower second side. */
export function slowedDownBy(share: number): (scenario: Scenario) => Scenario {
  const file = new URL('../stack/planted-load.ts', import.meta.url).href
  const planted = { NODE_OPTIONS: `--import ${file}`, PLANTED_SHARE: String(share) }
  return (scenario) => ({
    ...scenario,
    variants: scenario.variants.map((variant) => ({
      ...variant,
      label: 'no planted slow-down',
      environment: { ...variant.environment, ...planted },
    })),
  })
}

/** In how many set-ups the slower side was found, and whether that is at least half of those by throughput. */
export function judgePlanted({ scenarios }: Results): { text: string; passed: boolean } {
  const judged = scenarios.flatMap(({ name, primary, comparisons }) =>
    primary === 'throughput' ? comparisons.map((comparison) => ({ name, ...comparison })) : [],
  )
  const found = judged.filter(({ verdict }) => verdict === 'better')
  const passed = judged.length > 0 && found.length * 2 >= judged.length
  const lines = judged.map(({ name, verdict, effect: { ratio, low, high } }) => {
    const interval = `${low.toFixed(3)} to ${high === null ? '∞' : high.toFixed(3)}`
    return `  ${name}: ${ratio.toFixed(3)} (${interval}): ${verdict === 'better' ? 'found' : verdict}`
  })
  const head = `Planted slow-down: found in ${found.length} of ${judged.length} set-ups: ${passed ? 'passed' : 'FAILED'}`
  return { text: [head, ...lines].join('\n'), passed }
}

/**
 * The number of comparisons with a false difference. The test passes when at most one in 20 is different after Holm's correction, when
 * those below 5 % before it are no more than chance explains (99 % of runs), and when at most a quarter was refused.
 */
export function judgeAa({ scenarios }: Results): { text: string; passed: boolean } {
  const comparisons = scenarios.flatMap(({ name, comparisons }) =>
    comparisons.map((comparison) => ({ name, ...comparison })),
  )
  const judged = comparisons.filter(({ verdict }) => verdict !== 'refused')
  const different = judged.filter(({ verdict }) => verdict !== 'no difference')
  const uncorrected = judged.filter(({ effect }) => effect.p < LEVEL).length
  const allowed = Math.floor(judged.length / 20)
  const byChance = mostByChance(judged.length)
  const refused = comparisons.length - judged.length
  const passed =
    judged.length > 0 &&
    different.length <= allowed &&
    uncorrected <= byChance &&
    refused * 4 <= comparisons.length
  const lines = [
    `A/A: ${judged.length} comparisons of a set-up with itself, ${refused} refused: ${different.length} false differences (${allowed} allowed): ${passed ? 'passed' : 'FAILED'}`,
    `  without Holm’s correction ${uncorrected} of ${judged.length} (chance alone explains ${byChance})`,
    ...different.map(({ name, effect }) => `  ${name}: ${effect.ratio.toFixed(3)}, p ${effect.p.toFixed(4)}`),
  ]
  return { text: lines.join('\n'), passed }
}

/** The most of n comparisons without a difference that have a p-value below the level in 99 of 100 runs (binomial distribution). */
function mostByChance(n: number): number {
  let probability = (1 - LEVEL) ** n
  let sum = probability
  let count = 0
  while (sum < 0.99 && count < n) {
    probability *= ((n - count) / (count + 1)) * (LEVEL / (1 - LEVEL))
    count++
    sum += probability
  }
  return count
}
