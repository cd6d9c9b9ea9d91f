import { scenarios as allScenarios } from '../../scenarios/index.ts'
import { BenchError, UsageError } from '../errors.ts'
import { type Load, startLoad } from '../load/load.ts'
import { resultsName, writeResults } from '../report/results-file.ts'
import { renderTable } from '../report/table.ts'
import { abortable } from '../run/abortable.ts'
import type { MeasuredBoot } from '../run/boot.ts'
import { takeFingerprint } from '../run/fingerprint.ts'
import { longDurations, shortDurations } from '../run/plan.ts'
import { createProgress } from '../run/progress.ts'
import { startRecording } from '../run/results-builder.ts'
import type { Scenario } from '../run/scenario.ts'
import { objections } from '../run/validity.ts'
import { mergeHistograms, percentilesOf } from '../stats/histogram.ts'
import type { Arguments } from './arguments.ts'

/** What can be asked of any deployment: reads, nothing that changes rows. */
const readable = ['health', 'user-by-id', 'order-page', 'naive']
const names: Readonly<Record<'reference-api' | 'parallel-api', readonly string[]>> = {
  'reference-api': readable,
  'parallel-api': ['all'],
}

/**
 * `--url`: loads a deployment that already runs, such as the load balancer. It is one set-up, so nothing is compared,
 * and its databases are not asked, so nothing is counted or proven.
 */
export async function measureDeployment(args: Arguments, url: string, signal: AbortSignal): Promise<number> {
  const recording = startRecording(args)
  const progress = createProgress()
  const chosen = args.scenarios.length > 0 ? args.scenarios : names[args.service]
  const scenarios = chosen.map((name) => asDeployed(name))
  const durations = args.full ? longDurations : shortDurations
  const rounds = args.rounds ?? 5
  const load = startLoad()
  const boots = new Map<string, MeasuredBoot[]>(scenarios.map(({ name }) => [name, []]))
  let complete = true
  try {
    await reach(url)
    for (let round = 0; round < rounds; round++) {
      for (const scenario of scenarios) {
        progress.step(`round ${round + 1} of ${rounds}  ${scenario.name}`)
        const rate = boots.get(scenario.name)?.[0]?.boot.throughput
        const boot = await abortable(measureRound(load, url, scenario, args, round, rate, durations), signal)
        boots.get(scenario.name)?.push(boot)
      }
    }
  } catch (error) {
    if (!signal.aborted) throw error
    complete = false
  } finally {
    progress.done()
    await load.close()
  }
  const results = recording.finish({
    fingerprint: takeFingerprint({ placement: `generator only; deployment at ${url}` }),
    measured: scenarios.map((scenario) => ({
      scenario,
      boots: new Map([[scenario.tuned.name, boots.get(scenario.name) ?? []]]),
      refused: undefined,
    })),
    complete,
  })
  const json = args.out ?? `${resultsName(recording.startedAt)}.json`
  const report = writeResults(json, results)
  process.stdout.write(`${renderTable(results)}\n${json}\n${report}\n`)
  return complete ? 0 : 130
}

function asDeployed(name: string): Scenario {
  const scenario = allScenarios.find((candidate) => candidate.name === name)
  if (scenario === undefined) throw new UsageError(`no scenario ${name}; see pnpm bench list`)
  return {
    ...scenario,
    variants: [],
    tuned: { name: 'as deployed', label: 'as deployed', environment: {}, proofs: [] },
  }
}

async function reach(url: string): Promise<void> {
  try {
    const answer = await fetch(`${url}/health`, { signal: AbortSignal.timeout(5000) })
    if (answer.status === 200) return
    throw new Error(`status ${answer.status}`)
  } catch (error) {
    throw new BenchError('UNREACHABLE', `${url}/health does not answer: ${(error as Error).message}`, {
      cause: error,
    })
  }
}

async function measureRound(
  load: Load,
  url: string,
  scenario: Scenario,
  args: Arguments,
  round: number,
  throughput: number | undefined,
  durations: typeof shortDurations,
): Promise<MeasuredBoot> {
  const { connections } = scenario
  const target = new URL(url)
  const prefix = target.pathname === '/' ? '' : target.pathname
  const requests = scenario
    .requests(args.world)
    .map((request) => ({ ...request, path: `${prefix}${request.path}` }))
  const { origin } = target
  const warmup = await load.closed({
    origin,
    connections,
    requests,
    durationMs: durations.warmupMs,
    untilSteady: true,
  })
  const closed = await load.closed({ origin, connections, requests, durationMs: durations.closedMs })
  const ratePerSecond = args.rate ?? Math.max(1, Math.min(2000, Math.round((throughput ?? closed.rate) / 2)))
  const open = await load.open({ origin, requests, durationMs: durations.openMs, ratePerSecond })
  const against = objections({
    disturbance: { steal: 0, otherCores: 0 },
    generatorUtilisation: closed.utilisation,
    lagP99Ms: open.lagP99Ms,
    errorShare: (closed.errors + open.errors) / Math.max(1, closed.answered + open.sent),
  })
  return {
    noisy: false,
    proof: [],
    costs: {
      statements: 0,
      commands: 0,
      statementsByText: {},
      commandsByName: {},
      redisBytes: 0,
    },
    boot: {
      round,
      bootMs: 0,
      warmup: { slices: warmup.slices.length, steady: warmup.steady },
      throughput: closed.rate,
      errors: closed.errors,
      cpuMsPerRequest: 0,
      rssBytes: 0,
      responseBytes: closed.bytesPerRequest,
      statements: 0,
      commands: 0,
      redisBytes: 0,
      generatorUtilisation: closed.utilisation,
      steal: 0,
      otherCores: 0,
      objections: against.map(({ message }) => message),
      latency: {
        ratePerSecond,
        sent: open.sent,
        errors: open.errors,
        ...percentilesOf(mergeHistograms([open.histogram])),
        lagP99Ms: open.lagP99Ms,
        histogram: open.histogram,
      },
    },
  }
}
