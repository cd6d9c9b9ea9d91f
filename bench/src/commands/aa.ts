import { EXIT_CODES } from '@reference/cli'
import { scenarios as allScenarios } from '../../scenarios/index.ts'
import { writeFile } from '../report/results-file.ts'
import type { Results } from '../report/schema.ts'
import type { Scenario } from '../run/scenario.ts'
import { recordBoots } from './aa-recording.ts'
import { measureSet, type SetArguments } from './measure-set.ts'
import { selectScenarios } from './select-scenarios.ts'

const DEFAULT_BUDGET_MS = 8 * 60_000

interface AaArguments extends SetArguments {
  /** A file for the figures of all boots. */
  readonly record: string | undefined
}

/**
 * `bench aa`, an A/A test: compares every set-up of the run with itself and counts how often the benchmark finds a
 * difference.
 *
 * @returns the exit code, 1 when more than one of 20 comparisons finds a difference
 */
export async function runAa(args: AaArguments, signal: AbortSignal): Promise<number> {
  const selected = selectScenarios(allScenarios, { names: args.scenarios, off: [], full: args.full })
  const scenarios = selected.flatMap(againstItself)
  const budgetMs = args.budgetMs ?? DEFAULT_BUDGET_MS
  const results = await measureSet(args, { scenarios, budgetMs }, signal)
  if (args.record !== undefined) {
    writeFile(args.record, recordBoots(results))
    process.stdout.write(`${args.record}\n`)
  }
  const { text, passed } = judgeAa(results)
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

/** The number of comparisons with a false difference, and whether it is at most one in 20. */
export function judgeAa({ scenarios }: Results): { text: string; passed: boolean } {
  const comparisons = scenarios.flatMap(({ name, comparisons }) =>
    comparisons.map((comparison) => ({ name, ...comparison })),
  )
  const judged = comparisons.filter(({ verdict }) => verdict !== 'refused')
  const different = judged.filter(({ verdict }) => verdict !== 'no difference')
  const uncorrected = judged.filter(({ effect }) => effect.p < 0.05).length
  const allowed = Math.max(1, Math.floor(judged.length / 20))
  const passed = judged.length > 0 && different.length <= allowed
  const lines = [
    `A/A: ${judged.length} comparisons of a set-up with itself, ${comparisons.length - judged.length} refused: ${different.length} false differences (${allowed} allowed): ${passed ? 'passed' : 'FAILED'}`,
    `  without Holm’s correction ${uncorrected} of ${judged.length} (1 in 20 is expected)`,
    ...different.map(({ name, effect }) => `  ${name}: ${effect.ratio.toFixed(3)}, p ${effect.p.toFixed(4)}`),
  ]
  return { text: lines.join('\n'), passed }
}
