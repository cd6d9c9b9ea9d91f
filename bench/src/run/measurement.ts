import { setTimeout as sleep } from 'node:timers/promises'
import type { JobResult } from '../load/generator.ts'
import type { Request } from '../load/request.ts'
import type { Observations } from '../proofs/proof.ts'
import { type Counters, readCounters, totalsBetween } from '../stack/counters.ts'
import { type Interference, watchInterference } from '../stack/interference.ts'
import { cpuMsOf, residentBytesOf } from '../stack/process-stats.ts'
import { databaseName } from '../stack/stack.ts'
import type { Bench } from './bench.ts'
import { type ClientFigures, type MeasuredBoot, toMeasuredBoot } from './boot-result.ts'
import { countRequests } from './count-requests.ts'
import type { BootPlan, RunningBoot } from './start-boot.ts'

type ClosedLoad = ClientFigures['closed']

interface Reading {
  readonly database: Counters
  readonly sidecars: Readonly<Record<string, number>>
  readonly cpuMs: number
}

/** The measured load of a boot. `before` and `after` enclose the closed loop. */
interface MeasuredLoad {
  readonly closed: ClosedLoad
  readonly open: JobResult<'open'> | undefined
  readonly before: Reading
  readonly after: Reading
  readonly sessions: number
  readonly rssBytes: number
  readonly interference: Interference
}

/**
 * The measurement of one running process: warms it up until it is steady, measures it under load, counts the cost of a
 * request, and proves that the variant is what it claims to be.
 */
export class BootMeasurement {
  readonly #bench: Bench
  readonly #plan: BootPlan
  readonly #boot: RunningBoot
  readonly #requests: readonly Request[]
  readonly #openRequests: readonly Request[]

  constructor(bench: Bench, plan: BootPlan, boot: RunningBoot) {
    const { scenario, variant } = plan
    const { dataset } = bench.stack
    this.#bench = bench
    this.#plan = plan
    this.#boot = boot
    this.#requests = (variant.requests ?? scenario.requests)(dataset)
    this.#openRequests = scenario.open?.requests?.(dataset) ?? this.#requests
  }

  /** @throws UnprovenError when a proof of the variant fails */
  async run(): Promise<MeasuredBoot> {
    const { scenario, round, rate } = this.#plan
    const warmup = await this.#warmUp()
    await this.#prepare()
    const load = await this.#measureLoad()
    await this.#prepare()
    const counted = await countRequests(this.#bench.stack, this.#boot, this.#requests, scenario.counted ?? 50)
    const proof = await this.#prove({ ...counted, ...observationsOf(load) })
    const { closed, open, before, after, rssBytes, interference } = load
    return toMeasuredBoot(
      round,
      { warmup, closed, open: open && { ...open, ratePerSecond: rate ?? 0 } },
      {
        bootMs: this.#boot.server.bootMs,
        cpuMs: after.cpuMs - before.cpuMs,
        rssBytes,
        interference,
        costs: counted.costs,
      },
      proof,
    )
  }

  async #warmUp(): Promise<ClientFigures['warmup']> {
    const { load, durations } = this.#bench
    const { origin } = this.#boot
    const { scenario } = this.#plan
    const options = { origin, connections: scenario.connections }
    const warmup = scenario.pacedPerSecond
      ? { ...(await this.#sendPaced(scenario.pacedPerSecond, durations.warmupMs)), slices: [], steady: true }
      : await load.closed({
          ...options,
          requests: this.#requests,
          durationMs: durations.warmupMs,
          untilSteady: true,
        })
    if (scenario.open?.beside)
      await load.closed({ ...options, requests: this.#openRequests, durationMs: 200 })
    return warmup
  }

  /** The variant's own preparation before each part of the measurement. */
  async #prepare(): Promise<void> {
    await this.#plan.variant.before?.(this.#bench.stack, this.#boot.origin)
  }

  async #measureLoad(): Promise<MeasuredLoad> {
    const { placement, durations } = this.#bench
    const { server, sidecars } = this.#boot
    const { open } = this.#plan.scenario
    const openMs = Math.max(open?.leastMs ?? 0, durations.openMs + (open?.beside ? durations.closedMs : 0))
    const closedMs = open?.beside ? openMs + 100 : durations.closedMs

    const interference = watchInterference(
      placement.server.length + placement.rest.length || 1,
      sidecars.map(({ pid }) => pid),
    )
    const before = await this.#read()
    const [closed, sessions, beside] = await Promise.all([
      this.#sendClosed(closedMs),
      this.#countSessions(closedMs),
      open?.beside ? this.#sendOpen(openMs) : undefined,
    ])
    const after = await this.#read()
    const rssBytes = residentBytesOf(server.pid) ?? 0
    await this.#prepare()
    const alone = open?.beside ? undefined : await this.#sendOpen(openMs)
    return { closed, open: beside ?? alone, before, after, sessions, rssBytes, interference: interference() }
  }

  #sendClosed(durationMs: number): Promise<ClosedLoad> {
    const { connections, pacedPerSecond } = this.#plan.scenario
    if (pacedPerSecond !== undefined) return this.#sendPaced(pacedPerSecond, durationMs)
    const { origin } = this.#boot
    return this.#bench.load.closed({ origin, connections, requests: this.#requests, durationMs })
  }

  /** In place of the closed loop: requests at a fixed rate. */
  async #sendPaced(ratePerSecond: number, durationMs: number): Promise<ClosedLoad> {
    const { sent, errors, utilisation } = await this.#bench.load.open({
      origin: this.#boot.origin,
      requests: this.#requests,
      ratePerSecond,
      durationMs,
    })
    return { rate: (sent * 1000) / durationMs, answered: sent, errors, bytesPerRequest: 0, utilisation }
  }

  async #sendOpen(durationMs: number): Promise<JobResult<'open'> | undefined> {
    const { rate } = this.#plan
    if (!rate) return undefined
    const { origin } = this.#boot
    return this.#bench.load.open({ origin, requests: this.#openRequests, ratePerSecond: rate, durationMs })
  }

  /** The highest number of sessions of this database, from three readings during the load. */
  async #countSessions(durationMs: number): Promise<number> {
    const { admin } = this.#bench.stack
    const name = databaseName(this.#boot.databaseUrl)
    let highest = 0
    for (let i = 0; i < 3; i++) {
      await sleep(durationMs / 4)
      const [{ sessions } = { sessions: 0 }] = await admin<{ sessions: number }[]>`
        SELECT count(*)::int AS sessions FROM pg_stat_activity WHERE datname = ${name}`
      highest = Math.max(highest, sessions)
    }
    return highest
  }

  async #read(): Promise<Reading> {
    const { server, sidecars, databaseUrl } = this.#boot
    const cpuMs = cpuMsOf(server.pid) ?? 0
    const database = await readCounters(this.#bench.stack, databaseUrl)
    const counters = await Promise.all(sidecars.map((sidecar) => sidecar.counters()))
    return { cpuMs, database, sidecars: Object.assign({}, ...counters) }
  }

  async #prove(observed: Observations): Promise<string[]> {
    const { stack } = this.#bench
    const { server, origin, databaseUrl } = this.#boot
    const request = this.#requests[0] ?? { path: '/' }
    const facts: string[] = []
    for (const proof of this.#plan.variant.proofs)
      facts.push(await proof(observed, { origin, pid: server.pid, stack, databaseUrl, request }))
    return facts
  }
}

type LoadObservations = Pick<
  Observations,
  'loadCache' | 'load' | 'loadReadsPerRequest' | 'sidecar' | 'sessions'
>

function observationsOf({ closed, open, before, after, sessions }: MeasuredLoad): LoadObservations {
  const answered = Math.max(1, closed.answered)
  return {
    loadCache: open?.cache ?? {},
    load: { answered, ...totalsBetween(before.database, after.database, answered) },
    loadReadsPerRequest: (after.database.redisReads - before.database.redisReads) / answered,
    sidecar: differencePerRequest(before.sidecars, after.sidecars, answered),
    sessions,
  }
}

function differencePerRequest(
  before: Readonly<Record<string, number>>,
  after: Readonly<Record<string, number>>,
  requests: number,
): Record<string, number> {
  return Object.fromEntries(
    Object.entries(after).map(([name, now]) => [name, (now - (before[name] ?? 0)) / requests]),
  )
}
