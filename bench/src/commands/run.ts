import { mkdirSync, writeFileSync } from 'node:fs'
import { dirname } from 'node:path'
import { scenarios as allScenarios } from '../../scenarios/index.ts'
import { renderAblation } from '../report/charts.ts'
import { compareResults } from '../report/compare.ts'
import { readResults, resultsName, writeResults } from '../report/results-file.ts'
import type { Results } from '../report/schema.ts'
import { renderTable } from '../report/table.ts'
import { withBench } from '../run/bench.ts'
import { longDurations, shortDurations } from '../run/plan.ts'
import { createProgress } from '../run/progress.ts'
import { startRecording } from '../run/results-builder.ts'
import { runScenarios } from '../run/rounds.ts'
import type { Arguments } from './arguments.ts'
import { selectScenarios } from './select.ts'

const defaultBudgetMs = { default: 165_000, full: 30 * 60_000, scenario: 60_000 }
/** Stopping everything and writing the report. */
const closingMs = 4000

/** `pnpm bench`: measures, prints, writes JSON and report, compares. Returns the exit code. */
export async function runCommand(args: Arguments, signal: AbortSignal): Promise<number> {
  const recording = startRecording(args)
  const old = args.compare === undefined ? undefined : readResults(args.compare)
  const scenarios = selectScenarios(allScenarios, { names: args.scenarios, off: args.off, full: args.full })
  const named = args.scenarios.length + args.off.length > 0
  const budgetMs =
    args.budgetMs ??
    (args.full
      ? defaultBudgetMs.full
      : named
        ? defaultBudgetMs.scenario * scenarios.length
        : defaultBudgetMs.default)
  const progress = createProgress()

  const results = await withBench(
    { world: args.world, durations: args.full ? longDurations : shortDurations, progress, signal },
    async (bench, fingerprint): Promise<Results> => {
      progress.note(fingerprint.placement)
      const { measured, complete } = await runScenarios(bench, {
        scenarios,
        progress,
        deadlineMs: recording.beganMs + budgetMs - closingMs,
        leastRounds: args.rounds ?? 3,
        mostRounds: args.rounds ?? 30,
        allowNoise: args.allowNoise,
      })
      return recording.finish({ fingerprint, measured, complete })
    },
  )

  const json = args.out ?? `${resultsName(recording.startedAt)}.json`
  const report = writeResults(json, results)
  if (args.chart !== undefined) {
    mkdirSync(dirname(args.chart), { recursive: true })
    writeFileSync(args.chart, renderAblation(results, { standalone: true }))
  }
  process.stdout.write(`${renderTable(results)}\n`)
  for (const warning of results.warnings) process.stdout.write(`warning: ${warning}\n`)
  process.stdout.write(`${json}\n${report}\n`)
  if (!results.complete) return 130
  const refused = results.scenarios.some((scenario) => scenario.refused !== undefined)
  if (old === undefined) return refused ? 1 : 0
  const { text, loss } = compareResults(old, results, args.margin)
  process.stdout.write(`\n${text}`)
  return loss || refused ? 1 : 0
}
