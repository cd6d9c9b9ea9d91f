import { EXIT_CODES } from '@reference/cli'
import { DuetRun, type MeasuredRow } from '../duet/duet-run.ts'
import type { SideBoot } from '../duet/measure.ts'
import type { GroupPlan, StartPlan } from '../duet/plan.ts'
import { hasFailed, summarizeRows, summarizeStarts } from '../duet/summary.ts'
import type { DuetResults } from '../report/duet-schema.ts'
import { renderDuetTable } from '../report/duet-table.ts'
import { resultsName, writeResultsOfKind } from '../report/results-file.ts'
import { type Bench, withBench } from '../run/bench.ts'
import { durationsFor } from '../run/plan.ts'
import { createProgress } from '../run/progress.ts'
import type { Dataset } from '../stack/dataset.ts'
import type { Build } from '../stack/server.ts'
import { NOISE_LIMITS } from '../stats/validity.ts'
import { MINIMUM_BOOTS } from '../stats/verdict.ts'
import { selectRows } from './select-rows.ts'

export interface DuetArguments {
  /** Names of rows; all when empty. */
  readonly rows: readonly string[]
  /** Two short boots, to see that everything runs. */
  readonly quick: boolean
  readonly boots: number | undefined
  /** Our files: bundles, unless given. Start times are of both. */
  readonly build: Build | undefined
  readonly budgetMs: number | undefined
  readonly dataset: Dataset
  readonly out: string | undefined
}

/** What a command compares. */
export interface DuetPlan {
  readonly groups: readonly GroupPlan[]
  readonly starts: StartPlan
  readonly versions: Readonly<Record<string, string>>
}

const DEFAULT_BUDGET_MS = 5.5 * 60_000
const MAXIMUM_BOOTS = 20

const FULL = {
  warmUpMs: 1500,
  warmUpLimitMs: 8000,
  measureMs: 2000,
  limitMs: 14_000,
  pacedMs: 600,
  pacedTurns: 2,
  starts: 4,
}
const QUICK = {
  warmUpMs: 300,
  warmUpLimitMs: 600,
  measureMs: 400,
  limitMs: 1000,
  pacedMs: 300,
  pacedTurns: 1,
  starts: 1,
}

/**
 * Measures sides beside each other, prints a table and writes the results.
 *
 * @returns the exit code
 */
export async function runDuet(
  kind: DuetResults['kind'],
  args: DuetArguments,
  plan: (bench: Bench) => Promise<DuetPlan>,
  signal: AbortSignal,
): Promise<number> {
  const { dataset, quick, boots, budgetMs = DEFAULT_BUDGET_MS } = args
  const progress = createProgress()
  const [startedAt, began] = [new Date().toISOString(), performance.now()]
  // Start times are those of bundles, too.
  const build: Build = args.rows.length === 0 ? 'dist' : (args.build ?? 'dist')
  const options = { dataset, build, durations: durationsFor({ full: false }), progress, signal }
  const results = await withBench(options, async (bench, fingerprint): Promise<DuetResults> => {
    progress.note(fingerprint.placement)
    const planned = await plan(bench)
    const groups = selectRows(planned.groups, args.rows)
    const run = new DuetRun({
      ...bench,
      step: progress.step,
      durations: {
        ...(quick ? QUICK : FULL),
        minimumBoots: boots ?? (quick ? 2 : MINIMUM_BOOTS),
        maximumBoots: boots ?? (quick ? 2 : MAXIMUM_BOOTS),
        deadlineMs: began + budgetMs,
      },
    })
    const starts = args.rows.length > 0 ? [] : await run.measureStarts(planned.starts)
    const rows = await run.measure(groups)
    return {
      schemaVersion: 2,
      kind,
      startedAt,
      finishedAt: new Date().toISOString(),
      seconds: Math.round((performance.now() - began) / 1000),
      command: ['bench', ...process.argv.slice(2)].join(' '),
      fingerprint,
      world: { ...dataset },
      versions: planned.versions,
      warnings: rows.flatMap(warningsOf),
      rows: summarizeRows(rows),
      starts: starts.length > 0 ? summarizeStarts(planned.starts, starts) : [],
    }
  })
  progress.done()
  const file = args.out ?? `${resultsName(startedAt)}-${kind}.json`
  writeResultsOfKind(file, results)
  process.stdout.write(`${renderDuetTable(results)}\n${file}\n`)
  return EXIT_CODES.OK
}

function warningsOf(row: MeasuredRow): string[] {
  const { plan, boots, interference } = row
  const disturbed = interference.filter(
    ({ otherCores, steal }) => otherCores > NOISE_LIMITS.otherCores || steal > NOISE_LIMITS.steal,
  )
  const unsteady = sidesWith(row, (side) => !side.steady)
  const failed = sidesWith(row, hasFailed)
  return [
    ...(disturbed.length > 0
      ? [`${plan.name}: other programs used the processor in ${disturbed.length} of ${boots.length} boots`]
      : []),
    ...(unsteady.length > 0
      ? [`${plan.name}: not steady after warm-up, so not counted: ${unsteady.join(', ')}`]
      : []),
    ...(failed.length > 0
      ? [`${plan.name}: too many requests failed, so not counted: ${failed.join(', ')}`]
      : []),
  ]
}

/** The sides with such a boot, each with the number of these boots. */
function sidesWith({ measured, boots }: MeasuredRow, isSuch: (side: SideBoot) => boolean): string[] {
  return measured.flatMap(({ label }, i) => {
    const count = boots.filter(({ sides }) => sides[i] !== undefined && isSuch(sides[i])).length
    return count === 0 ? [] : [`${label} in ${count} of ${boots.length} boots`]
  })
}
