import { EXIT_CODES } from '@reference/cli'
import type { ServiceName } from '@reference/shop/services'
import { all } from '../../scenarios/all.ts'
import { naive } from '../../scenarios/naive.ts'
import type { DuetDurations } from '../duet/measure.ts'
import { resultsName, writeFile, writeResults } from '../report/results-file.ts'
import { withBench } from '../run/bench.ts'
import { createProgress } from '../run/progress.ts'
import { createResultsBuilder } from '../run/results-builder.ts'
import type { Scenario } from '../run/scenario.ts'
import { CLOSING_MS } from './measure-set.ts'
import { renderEnvFile } from './tune-env-file.ts'
import { TuneSearch } from './tune-search.ts'
import type { TuneArguments } from './tune-space.ts'

const DURATIONS: DuetDurations = {
  warmUpMs: 800,
  warmUpLimitMs: 5000,
  measureMs: 1500,
  limitMs: 8000,
  pacedMs: 0,
  pacedTurns: 0,
}
const P99_DURATIONS: DuetDurations = { ...DURATIONS, measureMs: 500, pacedMs: 1000, pacedTurns: 2 }
const DEFAULT_BUDGET_MS = 5 * 60_000
const SCENARIOS: Readonly<Record<ServiceName, Scenario>> = {
  'reference-api': naive,
  'parallel-api': all,
}

/**
 * `bench tune`: changes one setting at a time, keeps it when it is significantly better over fresh boots, confirms the final
 * settings against the initial ones, and writes them as an env file with the evidence for each.
 *
 * @returns the exit code
 */
export async function tune(args: TuneArguments, signal: AbortSignal): Promise<number> {
  const builder = createResultsBuilder(args)
  const deadlineMs = builder.beganMs + (args.budgetMs ?? DEFAULT_BUDGET_MS) - CLOSING_MS
  const progress = createProgress()
  const scenario = SCENARIOS[args.service]
  const { results, text } = await withBench(
    {
      dataset: args.dataset,
      durations: args.goal === 'p99' ? P99_DURATIONS : DURATIONS,
      progress,
      signal,
    },
    async (bench, fingerprint) => {
      const findings = await new TuneSearch(bench, { args, scenario, deadlineMs, progress }).run()
      const { trials, confirmation, complete } = findings
      const measured = [...trials, ...(confirmation ? [confirmation] : [])].map(({ measured }) => measured)
      const results = builder.finish({ fingerprint, measured, complete })
      return { results, text: renderEnvFile(args, scenario, results, findings) }
    },
  )
  const base = args.out?.replace(/\.json$/, '') ?? resultsName(builder.startedAt)
  const envFile = args.envFile ?? `${base}.env`
  const report = writeResults(`${base}.json`, results)
  writeFile(envFile, text)
  process.stdout.write(`${text}\n${envFile}\n${base}.json\n${report}\n`)
  return results.complete ? EXIT_CODES.OK : EXIT_CODES.FAILED
}
