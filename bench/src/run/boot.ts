import { setTimeout as sleep } from 'node:timers/promises'
import { request as ask } from 'undici'
import type { ClosedLoopResult } from '../load/closed-loop.ts'
import type { Load } from '../load/load.ts'
import type { OpenLoopOptions } from '../load/open-loop.ts'
import type { Request } from '../load/request.ts'
import type { Evidence } from '../proofs/proof.ts'
import type { BootResult } from '../report/schema.ts'
import {
  type Counters,
  costsBetween,
  type DatabaseCosts,
  readCounters,
  totalsBetween,
} from '../stack/counters.ts'
import type { Placement } from '../stack/placement.ts'
import { connectionsOpened, cpuMsOf, residentBytesOf } from '../stack/process-stats.ts'
import { type Server, startServer } from '../stack/server.ts'
import { type Companion, type CompanionKind, countedBetween } from '../stack/sidecar.ts'
import { type BenchStack, databaseName } from '../stack/stack.ts'
import { mergeHistograms, percentilesOf } from '../stats/histogram.ts'
import { abortable } from './abortable.ts'
import type { Durations } from './plan.ts'
import type { Scenario, Variant } from './scenario.ts'
import { objections, watchMachine } from './validity.ts'

/** What every boot of a run shares. */
export interface Bench {
  readonly stack: BenchStack
  readonly load: Load
  readonly placement: Placement
  /** For logs. */
  readonly folder: string
  readonly durations: Durations
  readonly signal: AbortSignal
}

/** One fresh process, measured. */
export interface MeasuredBoot {
  readonly boot: BootResult
  readonly noisy: boolean
  readonly proof: readonly string[]
  readonly costs: DatabaseCosts
}

/**
 * Starts a fresh process, warms it up until it is steady, measures it, counts what a request costs, and proves that
 * what was measured is what was meant.
 *
 * @param rate of the open loop in requests a second; undefined: no open loop yet
 * @throws UnprovenError
 */
export async function measureBoot(
  bench: Bench,
  {
    scenario,
    variant,
    round,
    rate,
  }: { scenario: Scenario; variant: Variant; round: number; rate: number | undefined },
): Promise<MeasuredBoot> {
  const { stack, load, placement, signal } = bench
  const databaseUrl = variant.database
    ? await stack.copy(variant.database.name, variant.database.change)
    : stack.databaseUrl
  const started: { stop(): Promise<void> }[] = []
  const keep = <Thing extends { stop(): Promise<void> }>(thing: Thing): Thing => {
    started.push(thing)
    return thing
  }
  const companion = async (kind: CompanionKind, behind: string) => {
    const { folder } = bench
    return keep(await kind.start({ behind, stack, cores: placement.rest, folder, signal }))
  }
  try {
    const upstream =
      scenario.upstream && keep(await startService(bench, 'reference-api', databaseUrl, {}, placement.rest))
    const pooler = variant.pooler && (await companion(variant.pooler, databaseUrl))
    const environment = {
      ...(upstream && { UPSTREAM_URL: upstream.origin }),
      ...(pooler && { DATABASE_DIRECT_URL: databaseUrl }),
      ...variant.environment,
    }
    const cores = scenario.everyCore ? placement.threads : placement.server
    const url = pooler?.url ?? databaseUrl
    const server = keep(await startService(bench, scenario.service, url, environment, cores))
    const front = variant.front && (await companion(variant.front, server.origin))
    const companions = [pooler, front].filter((one) => one !== undefined)
    load.guard(
      [server.pid, ...(upstream ? [upstream.pid] : [])],
      companions.map(({ container }) => container),
    )
    const origin = front?.url ?? server.origin
    return await abortable(
      measure(bench, { scenario, variant, round, rate, server, origin, companions, databaseUrl }),
      signal,
    )
  } finally {
    // Last started, first stopped: none loses what it stands before while it is asked.
    for (const thing of started.toReversed()) await thing.stop()
    load.guard([])
  }
}

function startService(
  { stack, folder, signal }: Bench,
  service: Scenario['service'],
  databaseUrl: string,
  environment: Readonly<Record<string, string>>,
  cores: readonly number[],
): Promise<Server> {
  const base = { DATABASE_URL: databaseUrl, ...(stack.redisUrl && { REDIS_URL: stack.redisUrl }) }
  return startServer({ service, environment: { ...base, ...environment }, cores, folder, signal })
}

async function measure(
  { stack, load, placement, durations }: Bench,
  given: {
    scenario: Scenario
    variant: Variant
    round: number
    rate: number | undefined
    server: Server
    /** Where requests are sent: the server, or what stands before it. */
    origin: string
    companions: readonly Companion[]
    databaseUrl: string
  },
): Promise<MeasuredBoot> {
  const { scenario, variant, round, rate, server, origin, companions, databaseUrl } = given
  const { pid } = server
  const { connections, open } = scenario
  const requests = (variant.requests ?? scenario.requests)(stack.world)
  const openRequests = open?.requests?.(stack.world) ?? requests
  const before = async () => variant.before?.(stack, origin)
  const cores = placement.server.length + placement.rest.length || 1

  const paced = scenario.pacedPerSecond
  const send = (durationMs: number, untilSteady = false) =>
    paced === undefined
      ? load.closed({ origin, connections, requests, durationMs, untilSteady })
      : sendPaced(load, { origin, requests, durationMs, ratePerSecond: paced })

  const warmup = await send(durations.warmupMs, true)
  if (open?.beside) await load.closed({ origin, connections, requests: openRequests, durationMs: 200 })

  await before()
  const watch = watchMachine(
    cores,
    companions.map(({ pid }) => pid),
  )
  const countersBefore = await readCounters(stack, databaseUrl)
  const cpuBefore = cpuMsOf(pid) ?? 0
  const companionBefore = await readCompanions(companions)
  const openMs = Math.max(open?.leastMs ?? 0, durations.openMs + (open?.beside ? durations.closedMs : 0))
  const openOptions = { origin, requests: openRequests, durationMs: openMs }
  const closedMs = open?.beside ? openMs + 100 : durations.closedMs
  const [closed, sessions, beside] = await Promise.all([
    send(closedMs),
    watchSessions(stack, databaseUrl, closedMs),
    open?.beside && rate ? load.open({ ...openOptions, ratePerSecond: rate }) : undefined,
  ])
  const cpuMs = (cpuMsOf(pid) ?? 0) - cpuBefore
  const countersAfter = await readCounters(stack, databaseUrl)
  const companionAfter = await readCompanions(companions)
  const rssBytes = residentBytesOf(pid) ?? 0
  await before()
  const alone = rate && !open?.beside ? await load.open({ ...openOptions, ratePerSecond: rate }) : undefined
  const disturbance = watch()
  const opened = beside ?? alone

  await before()
  const counted = await countRequests(stack, databaseUrl, server, origin, requests, scenario.counted ?? 50)
  const answered = Math.max(1, closed.answered)
  const evidence: Evidence = {
    ...counted,
    loadCache: opened?.cache ?? {},
    load: { answered, ...totalsBetween(countersBefore, countersAfter, answered) },
    loadReadsPerRequest: (countersAfter.redisReads - countersBefore.redisReads) / answered,
    companion: countedBetween(companionBefore, companionAfter, answered),
    sessions,
  }
  const request = requests[0] ?? { path: '/' }
  const { path } = request
  const proof: string[] = []
  for (const prove of variant.proofs)
    proof.push(await prove(evidence, { origin, pid, stack, databaseUrl, path, request }))

  const against = objections({
    disturbance,
    generatorUtilisation: closed.utilisation,
    lagP99Ms: opened?.lagP99Ms ?? 0,
    errorShare: (closed.errors + (opened?.errors ?? 0)) / (answered + (opened?.sent ?? 0)),
  })
  return {
    noisy: against.some(({ kind }) => kind === 'noise'),
    proof,
    costs: counted.costs,
    boot: {
      round,
      bootMs: rounded(server.bootMs),
      warmup: { slices: warmup.slices.length, steady: warmup.steady },
      throughput: rounded(closed.rate),
      errors: closed.errors,
      cpuMsPerRequest: rounded(cpuMs / answered, 4),
      rssBytes,
      responseBytes: rounded(closed.bytesPerRequest),
      statements: counted.costs.statements,
      commands: counted.costs.commands,
      redisBytes: counted.costs.redisBytes,
      generatorUtilisation: rounded(closed.utilisation, 3),
      steal: rounded(disturbance.steal, 4),
      otherCores: rounded(disturbance.otherCores, 3),
      objections: against.map(({ message }) => message),
      ...(opened && {
        latency: {
          ratePerSecond: rate ?? 0,
          sent: opened.sent,
          errors: opened.errors,
          ...percentilesOf(mergeHistograms([opened.histogram])),
          lagP99Ms: rounded(opened.lagP99Ms, 3),
          histogram: opened.histogram,
        },
      }),
    },
  }
}

/** In place of the closed loop where a rate is given: as many as are due, not as many as are answered. */
async function sendPaced(
  load: Load,
  options: OpenLoopOptions,
): Promise<ClosedLoopResult & { utilisation: number }> {
  const { sent, errors, utilisation } = await load.open(options)
  return {
    rate: (sent * 1000) / options.durationMs,
    answered: sent,
    errors,
    bytesPerRequest: 0,
    slices: [],
    steady: true,
    utilisation,
  }
}

async function readCompanions(companions: readonly Companion[]): Promise<Record<string, number>> {
  const all = await Promise.all(companions.map((companion) => companion.counters()))
  return Object.assign({}, ...all)
}

/** Sends requests one by one and reads what the databases, the log and the kernel counted meanwhile. */
async function countRequests(
  stack: BenchStack,
  databaseUrl: string,
  server: Server,
  origin: string,
  requests: readonly Request[],
  times: number,
) {
  const [cache, encoding, status, names]: [Counts, Counts, Counts, Counts] = [{}, {}, {}, {}]
  const countersBefore = await idleCounters(stack, databaseUrl)
  const connectionsBefore = connectionsOpened()
  const logBefore = server.logBytes()
  for (let i = 0; i < times; i++) {
    const { path, method = 'GET', headers, body } = requests[i % requests.length] ?? { path: '/' }
    const answer = await ask(`${origin}${path}`, {
      method,
      ...(headers && { headers: { ...headers } }),
      ...(body !== undefined && { body }),
    })
    await answer.body.dump()
    count(status, String(answer.statusCode))
    count(encoding, String(answer.headers['content-encoding'] ?? 'identity'))
    count(names, String(answer.headers.server ?? 'none'))
    const tier = answer.headers['x-cache']
    if (typeof tier === 'string') count(cache, tier)
  }
  const connectionsAfter = connectionsOpened()
  const countersAfter = await readCounters(stack, databaseUrl)
  return {
    cache,
    encoding,
    status,
    server: names,
    costs: costsBetween(countersBefore, countersAfter, times),
    connectionsPerRequest:
      connectionsBefore === undefined || connectionsAfter === undefined
        ? undefined
        : (connectionsAfter - connectionsBefore) / times,
    logBytesPerRequest: (server.logBytes() - logBefore) / times,
  }
}

/**
 * The counters once the load is over for the databases, too: what its callers left behind waits in the service's pool
 * (seen with a pool of one: 64 queries ran on into the count).
 */
async function idleCounters(stack: BenchStack, databaseUrl: string): Promise<Counters> {
  let before = await readCounters(stack, databaseUrl)
  for (let i = 0; i < 50; i++) {
    await sleep(40)
    const now = await readCounters(stack, databaseUrl)
    // A poll of the background may come at any time.
    const { statements, commands } = totalsBetween(before, now, 1)
    if (statements <= 2 && commands <= 2) return now
    before = now
  }
  return before
}

type Counts = Record<string, number>

function count(tally: Counts, key: string): void {
  tally[key] = (tally[key] ?? 0) + 1
}

/** The most sessions that this database has at once, looked at a few times while the load lasts. */
async function watchSessions(
  { admin }: BenchStack,
  databaseUrl: string,
  durationMs: number,
): Promise<number> {
  const name = databaseName(databaseUrl)
  let most = 0
  for (let i = 0; i < 3; i++) {
    await sleep(durationMs / 4)
    const [{ sessions } = { sessions: 0 }] = await admin<{ sessions: number }[]>`
      SELECT count(*)::int AS sessions FROM pg_stat_activity WHERE datname = ${name}`
    most = Math.max(most, sessions)
  }
  return most
}

function rounded(value: number, digits = 1): number {
  return Number(value.toFixed(digits))
}
