import { EXIT_CODES, UsageError } from '@reference/cli'
import { OVERLOADED_CALLS, type OverloadedCall } from '../overload/calls.ts'
import { measureOverload, type OverloadDurations } from '../overload/measure.ts'
import { missedGoals, renderOverload } from '../overload/table.ts'
import { renderOverloadChart } from '../report/overload-chart.ts'
import type { OverloadCall, OverloadResults } from '../report/overload-schema.ts'
import { readOverload, resultsName, writeFile, writeResultsOfKind } from '../report/results-file.ts'
import { withBench } from '../run/bench.ts'
import { durationsFor } from '../run/plan.ts'
import { createProgress } from '../run/progress.ts'
import type { Dataset } from '../stack/dataset.ts'

interface OverloadArguments {
  readonly phaseMs: number
  readonly dataset: Dataset
  readonly out: string | undefined
  readonly chart: string | undefined
  /** Shows these results instead of measuring. */
  readonly from: readonly string[] | undefined
}

const PATIENCE_MS = 2_000

/**
 * `bench overload`: what callers get at up to three times the rate of saturation, with the limit of requests in flight and without it.
 *
 * @param names of calls; all of them without any
 * @returns the exit code; 1 when a goal is missed
 */
export async function overload(
  args: OverloadArguments,
  names: readonly string[],
  signal: AbortSignal,
): Promise<number> {
  const results =
    args.from === undefined || args.from.length === 0
      ? await measure(args, callsNamed(names), signal)
      : merged(args.from.map(readOverload))
  const file = args.out ?? `${resultsName(results.startedAt)}-overload.json`
  if (args.out !== undefined || args.from === undefined) writeResultsOfKind(file, results)
  if (args.chart !== undefined) writeFile(args.chart, renderOverloadChart(results))
  process.stdout.write(renderOverload(results))
  const missed = missedGoals(results)
  for (const goal of missed) process.stderr.write(`FAIL ${goal}\n`)
  return missed.length === 0 ? EXIT_CODES.OK : EXIT_CODES.FAILED
}

function callsNamed(names: readonly string[]): readonly OverloadedCall[] {
  const unknown = names.find((name) => !OVERLOADED_CALLS.some((call) => call.name === name))
  if (unknown !== undefined) {
    const known = OVERLOADED_CALLS.map(({ name }) => name).join(', ')
    throw new UsageError(`There is no call '${unknown}'. There are: ${known}`)
  }
  return names.length === 0 ? OVERLOADED_CALLS : OVERLOADED_CALLS.filter(({ name }) => names.includes(name))
}

/** Calls that were measured one after the other, as one set of results. */
function merged(results: readonly OverloadResults[]): OverloadResults {
  const [first] = results
  if (first === undefined) throw new UsageError('--from takes a file')
  return { ...first, calls: results.flatMap(({ calls }) => calls) }
}

async function measure(
  { dataset, phaseMs }: OverloadArguments,
  calls: readonly OverloadedCall[],
  signal: AbortSignal,
): Promise<OverloadResults> {
  const progress = createProgress()
  const startedAt = new Date().toISOString()
  const durations: OverloadDurations = {
    warmUpMs: 2_000,
    phaseMs,
    recoveryMs: 4_000,
    patienceMs: PATIENCE_MS,
  }
  const options = { dataset, durations: durationsFor({ full: false }), progress, signal }
  const results = await withBench(options, async (bench, fingerprint) => {
    const measured: OverloadCall[] = []
    for (const call of calls) {
      progress.step(`overloading ${call.request}`)
      measured.push(await measureOverload(bench, call, dataset, durations))
    }
    const command = `bench ${process.argv.slice(2).join(' ')}`
    const about = { startedAt, command, fingerprint, patienceMs: PATIENCE_MS, phaseMs }
    return { schemaVersion: 1 as const, kind: 'overload' as const, ...about, calls: measured }
  })
  progress.done()
  return results
}
