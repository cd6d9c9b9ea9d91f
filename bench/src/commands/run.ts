import { EXIT_CODES } from '@reference/cli'
import { scenarios as allScenarios } from '../../scenarios/index.ts'
import { renderAblation } from '../report/ablation-chart.ts'
import { compareResults } from '../report/compare.ts'
import { readResults, writeFile } from '../report/results-file.ts'
import { measureSet, type SetArguments } from './measure-set.ts'
import { selectScenarios } from './select-scenarios.ts'

const DEFAULT_BUDGET_MS = 165_000
const FULL_BUDGET_MS = 30 * 60_000
const SCENARIO_BUDGET_MS = 60_000

interface RunArguments extends SetArguments {
  /** Switches. */
  readonly off: readonly string[]
  /** A file of results. */
  readonly compare: string | undefined
  /** Accepted loss, 0.05 for 5 %. */
  readonly margin: number
  /** A file for the chart. */
  readonly chart: string | undefined
}

/**
 * `pnpm bench`: measures, writes the results and compares them.
 *
 * @returns the exit code
 */
export async function run(args: RunArguments, signal: AbortSignal): Promise<number> {
  // Before the measurement, so that a missing file is reported at once.
  const old = args.compare === undefined ? undefined : readResults(args.compare)
  const scenarios = selectScenarios(allScenarios, { names: args.scenarios, off: args.off, full: args.full })
  const budgetMs = args.budgetMs ?? defaultBudgetMs(args, scenarios.length)
  const results = await measureSet(args, { scenarios, budgetMs }, signal)
  if (args.chart !== undefined) writeFile(args.chart, renderAblation(results, { standalone: true }))
  if (!results.complete) return EXIT_CODES.FAILED
  const refused = results.scenarios.some((scenario) => scenario.refused !== undefined)
  const comparison = old && compareResults(old, results, args.margin)
  if (comparison) process.stdout.write(`\n${comparison.text}`)
  return refused || comparison?.loss ? EXIT_CODES.FAILED : EXIT_CODES.OK
}

function defaultBudgetMs({ full, scenarios, off }: RunArguments, selected: number): number {
  if (full) return FULL_BUDGET_MS
  return scenarios.length + off.length > 0 ? SCENARIO_BUDGET_MS * selected : DEFAULT_BUDGET_MS
}
