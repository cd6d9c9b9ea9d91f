import { mkdirSync, writeFileSync } from 'node:fs'
import { dirname } from 'node:path'
import { scenarios as allScenarios } from '../../scenarios/index.ts'
import { resultsName, writeResults } from '../report/results-file.ts'
import type { Results } from '../report/schema.ts'
import { renderTable } from '../report/table.ts'
import { withBench } from '../run/bench.ts'
import { longDurations, shortDurations } from '../run/plan.ts'
import { createProgress } from '../run/progress.ts'
import { startRecording } from '../run/results-builder.ts'
import { runScenarios } from '../run/rounds.ts'
import type { Scenario } from '../run/scenario.ts'
import { recordBoots } from './aa-recording.ts'
import type { Arguments } from './arguments.ts'
import { selectScenarios } from './select.ts'

const defaultBudgetMs = 8 * 60_000
const closingMs = 4000

/**
 * `bench aa`: every set-up of the run against itself, to see how often the benchmark finds a difference where there is
 * none. Exit code 1 when it did so in more than one of 20 comparisons.
 */
export async function compareSame(args: Arguments, signal: AbortSignal): Promise<number> {
  const recording = startRecording(args)
  const chosen = selectScenarios(allScenarios, { names: args.scenarios, off: [], full: args.full })
  const scenarios = chosen.flatMap(againstItself)
  const progress = createProgress()
  const results = await withBench(
    { world: args.world, durations: args.full ? longDurations : shortDurations, progress, signal },
    async (bench, fingerprint) => {
      const { measured, complete } = await runScenarios(bench, {
        scenarios,
        progress,
        deadlineMs: recording.beganMs + (args.budgetMs ?? defaultBudgetMs) - closingMs,
        leastRounds: args.rounds ?? 3,
        mostRounds: args.rounds ?? 30,
        allowNoise: args.allowNoise,
      })
      return recording.finish({ fingerprint, measured, complete })
    },
  )
  const json = args.out ?? `${resultsName(recording.startedAt)}.json`
  const report = writeResults(json, results)
  if (args.record !== undefined) {
    mkdirSync(dirname(args.record), { recursive: true })
    writeFileSync(args.record, recordBoots(results))
  }
  const { text, passed } = judgeSame(results)
  process.stdout.write(`${renderTable(results)}\n`)
  for (const warning of results.warnings) process.stdout.write(`warning: ${warning}\n`)
  process.stdout.write(
    `${json}\n${report}\n${args.record === undefined ? '' : `${args.record}\n`}\n${text}\n`,
  )
  if (!results.complete) return 130
  return passed ? 0 : 1
}

/** A scenario for each set-up of `scenario`, as shipped and with each change, whose two sides are the same. */
export function againstItself(scenario: Scenario): Scenario[] {
  return [scenario.tuned, ...scenario.variants].map((variant) => ({
    ...scenario,
    name: `${scenario.name}: ${variant.name}`,
    title: `${scenario.title}: ${variant.name}, twice`,
    tuned: { ...variant, name: 'A', label: 'the same' },
    variants: [{ ...variant, name: 'B', label: 'the same' }],
  }))
}

/** How many comparisons found a difference where there is none, and whether that is at most one in 20. */
export function judgeSame({ scenarios }: Results): { text: string; passed: boolean } {
  const comparisons = scenarios.flatMap(({ name, comparisons }) =>
    comparisons.map((comparison) => ({ name, ...comparison })),
  )
  const judged = comparisons.filter(({ verdict }) => verdict !== 'refused')
  const different = judged.filter(({ verdict }) => verdict !== 'no difference')
  const outside = judged.filter(({ effect }) => effect.p < 0.05).length
  const allowed = Math.max(1, Math.floor(judged.length / 20))
  const passed = judged.length > 0 && different.length <= allowed
  const lines = [
    `A/A: ${judged.length} comparisons of a set-up with itself, ${comparisons.length - judged.length} refused: ${different.length} called different (${allowed} allowed): ${passed ? 'passed' : 'FAILED'}`,
    `  without Holm’s correction ${outside} of ${judged.length} would have been (1 in 20 is expected)`,
    ...different.map(({ name, effect }) => `  ${name}: ${effect.ratio.toFixed(3)}, p ${effect.p.toFixed(4)}`),
  ]
  return { text: lines.join('\n'), passed }
}
