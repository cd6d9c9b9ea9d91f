import { abortable } from '@reference/async'
import { EXIT_CODES, UsageError } from '@reference/cli'
import type { ServiceName } from '@reference/shop/services'
import { scenarios as allScenarios } from '../../scenarios/index.ts'
import type { DuetDurations, SideBoot } from '../duet/measure.ts'
import { pacedSlice } from '../duet/sides.ts'
import { BenchError } from '../errors.ts'
import { type Load, startLoad } from '../load/load.ts'
import type { Request } from '../load/request.ts'
import { toBootResult, UNKNOWN_SERVER } from '../run/boot-result.ts'
import { takeFingerprint } from '../run/fingerprint.ts'
import { durationsFor } from '../run/plan.ts'
import { createProgress } from '../run/progress.ts'
import { createResultsBuilder } from '../run/results-builder.ts'
import { openLoopRate, type Scenario } from '../run/scenario.ts'
import type { ScenarioBoot } from '../run/scenario-boot.ts'
import { publish, type SetArguments } from './measure-set.ts'

/** Scenarios that only read, and therefore suit any deployment. */
const READ_SCENARIOS: Readonly<Record<ServiceName, readonly string[]>> = {
  'reference-api': ['health', 'user-by-id', 'order-page', 'naive'],
  'parallel-api': ['all'],
}
const DEFAULT_BOOTS = 5

interface DeploymentArguments extends Omit<SetArguments, 'budgetMs'> {
  readonly url: string
  readonly service: ServiceName
  /** Requests a second of the open loop; default: half of the throughput. */
  readonly rate: number | undefined
}

interface DeployedScenario {
  readonly scenario: Scenario
  readonly requests: readonly Request[]
  readonly boots: ScenarioBoot[]
}

/**
 * `--url`: loads a running deployment, such as its load balancer. A deployment is one set-up, so nothing is compared; its
 * databases are not reachable, so nothing is counted or proven.
 *
 * @returns the exit code
 */
export async function measureDeployment(args: DeploymentArguments, signal: AbortSignal): Promise<number> {
  const { url } = args
  const builder = createResultsBuilder(args)
  const progress = createProgress()
  const { origin, pathname } = new URL(url)
  const names = args.scenarios.length > 0 ? args.scenarios : READ_SCENARIOS[args.service]
  const deployed = names.map((name) => asDeployed(name, pathname === '/' ? '' : pathname, args))
  const durations = durationsFor(args)
  const rounds = args.boots ?? DEFAULT_BOOTS
  const load = startLoad()
  let complete = true
  try {
    await checkHealth(url)
    for (let round = 0; round < rounds; round++) {
      for (const scenario of deployed) {
        progress.step(`round ${round + 1} of ${rounds}  ${scenario.scenario.name}`)
        const measuring = measureRound(load, origin, scenario, { durations, round, rate: args.rate })
        scenario.boots.push(await abortable(measuring, signal))
      }
    }
  } catch (error) {
    if (!signal.aborted) throw error
    complete = false
  } finally {
    progress.done()
    await load.close()
  }
  const results = builder.finish({
    fingerprint: takeFingerprint({ placement: `generator only; deployment at ${url}` }),
    measured: deployed.map(({ scenario, boots }) => ({ scenario, boots, refused: undefined })),
    complete,
  })
  publish(results, args.out)
  return complete ? EXIT_CODES.OK : EXIT_CODES.FAILED
}

function asDeployed(name: string, pathPrefix: string, { dataset }: DeploymentArguments): DeployedScenario {
  const scenario = allScenarios.find((candidate) => candidate.name === name)
  if (scenario === undefined) throw new UsageError(`no scenario ${name}; see pnpm bench list`)
  const tuned = { name: 'as deployed', label: 'as deployed', environment: {}, proofs: [] }
  return {
    scenario: { ...scenario, variants: [], tuned },
    requests: scenario
      .requests(dataset)
      .map((request) => ({ ...request, path: `${pathPrefix}${request.path}` })),
    boots: [],
  }
}

async function checkHealth(url: string): Promise<void> {
  try {
    const { status } = await fetch(`${url}/health`, { signal: AbortSignal.timeout(5000) })
    if (status !== 200) throw new Error(`status ${status}`)
  } catch (error) {
    throw new BenchError('UNREACHABLE', `${url}/health is unavailable`, { cause: error })
  }
}

/** One round of load. The deployment does not start afresh, and only the generator's figures are known. */
async function measureRound(
  load: Load,
  origin: string,
  { scenario, requests, boots }: DeployedScenario,
  { durations, round, rate }: { durations: DuetDurations; round: number; rate: number | undefined },
): Promise<ScenarioBoot> {
  const [at, began] = [new Date().toISOString(), performance.now()]
  const { warmUpMs, measureMs, pacedMs, pacedTurns } = durations
  const options = { origin, connections: scenario.connections, requests }
  const warmUp = await load.closed({ ...options, durationMs: warmUpMs, untilSteady: true })
  const closed = await load.closed({ ...options, durationMs: measureMs })
  // The same rate in all rounds.
  const ratePerSecond = rate ?? boots[0]?.ratePerSecond ?? openLoopRate(closed.rate)
  const durationMs = pacedMs * pacedTurns
  const open = await load.open({ origin, requests, durationMs, ratePerSecond })
  const { answered, errors, bytesPerRequest, utilisation } = closed
  const side: SideBoot = {
    steady: true,
    warmUpSlices: warmUp.slices.length,
    slices: [
      {
        answered,
        errors,
        seconds: answered / closed.rate,
        bytes: bytesPerRequest * answered,
        cpuMs: undefined,
        generatorShare: utilisation,
      },
    ],
    paced: [pacedSlice(open, durationMs, undefined)],
  }
  const figures = { ...UNKNOWN_SERVER, responseBytes: bytesPerRequest }
  const boot = toBootResult(round, { sides: [side], pacedPerSecond: ratePerSecond }, 0, figures)
  return {
    variants: new Map([[scenario.tuned.name, { boot, proof: [], costs: UNKNOWN_SERVER.costs }]]),
    ratePerSecond,
    machine: {
      boot: round,
      at,
      seconds: Math.round((performance.now() - began) / 1000),
      steal: 0,
      otherCores: 0,
    },
  }
}
