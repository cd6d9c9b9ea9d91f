import { resultsName, writeResults } from '../report/results-file.ts'
import type { Results } from '../report/schema.ts'
import { renderTable } from '../report/table.ts'
import { withBench } from '../run/bench.ts'
import { runScenarios } from '../run/boots.ts'
import { durationsFor } from '../run/plan.ts'
import { createProgress } from '../run/progress.ts'
import { createResultsBuilder } from '../run/results-builder.ts'
import type { Scenario } from '../run/scenario.ts'
import type { Dataset } from '../stack/dataset.ts'
import { MINIMUM_BOOTS } from '../stats/verdict.ts'

/** Time to stop all processes and to write the report. */
export const CLOSING_MS = 4000
const MAXIMUM_BOOTS = 30

/** Arguments of the commands that run sets of scenarios. */
export interface SetArguments {
  /** Names; the default set when empty. */
  readonly scenarios: readonly string[]
  readonly full: boolean
  readonly budgetMs: number | undefined
  readonly boots: number | undefined
  readonly dataset: Dataset
  readonly out: string | undefined
}

/** Measures a set of scenarios on a stack of its own, writes and prints the results. */
export async function measureSet(
  args: Omit<SetArguments, 'scenarios'>,
  { scenarios, budgetMs }: { readonly scenarios: readonly Scenario[]; readonly budgetMs: number },
  signal: AbortSignal,
): Promise<Results> {
  const builder = createResultsBuilder(args)
  const progress = createProgress()
  const { dataset, boots } = args
  const results = await withBench(
    { dataset, durations: durationsFor(args), progress, signal },
    async (bench, fingerprint) => {
      progress.note(fingerprint.placement)
      const { measured, complete } = await runScenarios(bench, {
        scenarios,
        progress,
        deadlineMs: builder.beganMs + budgetMs - CLOSING_MS,
        minimumBoots: boots ?? MINIMUM_BOOTS,
        maximumBoots: boots ?? MAXIMUM_BOOTS,
      })
      return builder.finish({ fingerprint, measured, complete })
    },
  )
  publish(results, args.out)
  return results
}

/** Writes results and their report; prints the table, the warnings and the names of both files. */
export function publish(results: Results, out: string | undefined): void {
  const json = out ?? `${resultsName(results.startedAt)}.json`
  const report = writeResults(json, results)
  const warnings = results.warnings.map((warning) => `warning: ${warning}\n`)
  process.stdout.write(`${renderTable(results)}\n${warnings.join('')}${json}\n${report}\n`)
}
