import { EXIT_CODES } from '@reference/cli'
import { resultsName, writeResultsOfKind } from '../report/results-file.ts'
import { withBench } from '../run/bench.ts'
import { durationsFor } from '../run/plan.ts'
import { createProgress } from '../run/progress.ts'
import { createScaledDatabase, type ScaledDatabase } from '../scale/databases.ts'
import { measureScale, RATE_PER_SECOND } from '../scale/measure.ts'
import { measureReplicas } from '../scale/replicas.ts'
import { scaleResults } from '../scale/results.ts'
import { faultsOf, renderScale } from '../scale/table.ts'
import type { Dataset } from '../stack/dataset.ts'

interface ScaleArguments {
  /** Of the smallest database. */
  readonly dataset: Dataset
  /** Multiples of its rows. */
  readonly factors: readonly number[]
  readonly boots: number
  readonly turns: number
  readonly out: string | undefined
}

const REPLICAS = [1, 2, 3]

/**
 * `bench scale`: the latency of every hot call on databases with a multiple of the rows, and the plan of each statement.
 *
 * @returns the exit code; 1 when a call grows more than it may, or a statement reads far more rows than it returns
 */
export async function scale(
  { dataset, factors, boots, turns, out }: ScaleArguments,
  signal: AbortSignal,
): Promise<number> {
  const startedAt = new Date().toISOString()
  const progress = createProgress()
  const options = { dataset, durations: durationsFor({ full: false }), progress, signal }
  const results = await withBench(options, async (bench, fingerprint) => {
    const databases: ScaledDatabase[] = []
    for (const factor of [1, ...factors]) {
      progress.step(`a database with ${factor} times the rows, and the plans on it`)
      databases.push(await createScaledDatabase(bench.stack, factor, signal))
    }
    progress.step('measuring')
    const calls = await measureScale(bench, databases, { boots, turns, sliceMs: 500, warmUpMs: 1500 })
    progress.step('replicas behind nginx')
    const rows = {
      warmUpMs: 2000,
      warmUpLimitMs: 8000,
      measureMs: 500 * turns,
      limitMs: 15_000,
      pacedMs: 0,
      pacedTurns: 0,
    }
    const replicas = await measureReplicas(bench, REPLICAS, { boots, durations: rows })
    const command = `bench ${process.argv.slice(2).join(' ')}`
    const about = { startedAt, command, fingerprint, ratePerSecond: RATE_PER_SECOND, replicas }
    return scaleResults(about, databases, calls)
  })
  progress.done()
  const file = out ?? `${resultsName(startedAt)}-scale.json`
  writeResultsOfKind(file, results)
  const faults = faultsOf(results)
  process.stdout.write(`${renderScale(results)}\n${file}\n`)
  for (const fault of faults) process.stderr.write(`FAIL ${fault}\n`)
  return faults.length === 0 ? EXIT_CODES.OK : EXIT_CODES.FAILED
}
