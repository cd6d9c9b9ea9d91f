import type { ServiceName } from '@reference/shop/services'
import { closedSlice, since } from '../src/duet/sides.ts'
import type { Slice } from '../src/duet/slice.ts'
import type { SliceLoad } from '../src/load/load.ts'
import type { OpenLoopResult } from '../src/load/open-loop.ts'
import type { Request } from '../src/load/request.ts'
import type { Bench } from '../src/run/bench.ts'
import { type Counters, readCounters, totalsBetween } from '../src/stack/counters.ts'
import { exactCpuMsOf } from '../src/stack/process-stats.ts'
import { type Server, startServer } from '../src/stack/server.ts'
import { type BenchStack, withOwnRedis } from '../src/stack/stack.ts'
import type { LoadSettings, SideName } from './protocol.ts'
import { coldReads, hotIds, MIX, type Workload } from './workloads.ts'

/** How long a caller waits before it gives up. */
export const CALLER_TIMEOUT_MS = 1000

/** Settings and load with which a copy is started. */
export interface CopyPlan {
  readonly workload: Workload
  readonly load: LoadSettings
  /** Beside those of the workload. */
  readonly settings: Readonly<Record<string, string>>
}

/** Requests at the fixed rate, and the CPU time that the services took meanwhile. */
export interface PacedSlice extends OpenLoopResult {
  readonly cpuMs: number | undefined
}

/**
 * One of the two copies: a service with a database and a Redis of its own, so that neither copy fills or empties the caches of the
 * other, and the counters of both databases belong to one copy.
 */
export class Copy {
  readonly name: SideName
  readonly #bench: Bench
  readonly #stack: BenchStack
  readonly #databaseUrl: string
  #processes = new AsyncDisposableStack()
  #plan: CopyPlan | undefined
  #server: Server | undefined
  /** A second replica, while the fault of a killed replica needs one. */
  #spare: Server | undefined
  #upstream: Server | undefined
  #loop: SliceLoad | undefined
  #paced: readonly Request[] = []
  #next = 0
  #counters: Counters | undefined
  #readsSincePurge = 0

  private constructor(name: SideName, bench: Bench, stack: BenchStack, databaseUrl: string) {
    this.name = name
    this.#bench = bench
    this.#stack = stack
    this.#databaseUrl = databaseUrl
  }

  /** Makes the database and the Redis of a copy. `first` uses those of the stack. */
  static async create(
    name: SideName,
    { bench, first }: { bench: Bench; first: boolean },
    resources: AsyncDisposableStack,
  ): Promise<{ copy: Copy; redisPid: number | undefined }> {
    const { stack } = bench
    const databaseUrl = first ? stack.databaseUrl : await stack.copy(`lab_${name}`, 'SELECT 1')
    const own = first ? stack : await withOwnRedis(stack, resources)
    return { copy: new Copy(name, bench, own, databaseUrl), redisPid: own.pids[1] }
  }

  /**
   * Starts the services, after the former ones have ended.
   *
   * @throws BenchError SERVER_NOT_READY with the last lines of the log, for example about a wrong setting
   */
  async start(plan: CopyPlan): Promise<void> {
    await this.stop()
    this.#plan = plan
    // part:parallel-api
    const upstream =
      plan.workload.upstream && (await this.#startService('reference-api', this.#bench.placement.rest, {}))
    if (upstream) this.#upstream = upstream
    // end:parallel-api
    this.#server = await this.#startMain(plan.settings)
    await this.setLoad(plan.load)
  }

  #startMain(settings: Readonly<Record<string, string>>): Promise<Server> {
    const { workload } = this.#requiredPlan
    const { placement } = this.#bench
    return this.#startService(workload.service, workload.everyCore ? placement.threads : placement.server, {
      ...(this.#upstream && { UPSTREAM_URL: this.#upstream.origin }),
      ...workload.environment,
      ...settings,
    })
  }

  async #startService(
    service: ServiceName,
    cores: readonly number[],
    settings: Readonly<Record<string, string>>,
  ): Promise<Server> {
    const { folder, build, signal } = this.#bench
    const environment = { ...this.#stack.environment, DATABASE_URL: this.#databaseUrl, ...settings }
    const started = await startServer({ service, environment, cores, folder, build, signal })
    return this.#processes.adopt(started, (server) => server.stop())
  }

  /** Changes the load without a restart. */
  async setLoad(load: LoadSettings): Promise<void> {
    this.#plan = { ...this.#requiredPlan, load }
    const { workload } = this.#requiredPlan
    const { dataset } = this.#stack
    this.#loop?.close()
    this.#loop = this.#bench.load.slices({
      origin: this.#requiredServer.origin,
      connections: load.callers,
      requests: workload.requests(dataset, load),
      replyLimitMs: CALLER_TIMEOUT_MS * 2,
    })
    this.#paced = workload.pacedRequests(dataset, load)
    this.#next = 0
    this.forgetCounters()
    await this.#purge()
  }

  get pids(): readonly number[] {
    return [this.#server, this.#spare, this.#upstream].flatMap((server) => server?.pid ?? [])
  }

  get #requiredPlan(): CopyPlan {
    if (this.#plan === undefined) throw new Error(`${this.name} has no plan`)
    return this.#plan
  }

  get #requiredServer(): Server {
    if (this.#server === undefined) throw new Error(`${this.name} is not running`)
    return this.#server
  }

  get isRunning(): boolean {
    return this.#server !== undefined
  }

  /** A slice of the closed loop. */
  async closed(durationMs: number): Promise<Slice> {
    if (this.#loop === undefined) throw new Error(`${this.name} has no load`)
    const before = this.#cpuMs()
    const result = await this.#loop.run(durationMs)
    const slice = closedSlice(result, since(before, this.#cpuMs()))
    await this.#purgeAfter(slice.answered)
    return slice
  }

  /** A slice at a fixed rate, over all replicas that run. */
  async paced(ratePerSecond: number, durationMs: number): Promise<PacedSlice> {
    const count = Math.max(1, Math.ceil((ratePerSecond * durationMs) / 1000))
    const requests = Array.from(
      { length: count },
      (_, i) => this.#paced[(this.#next + i) % this.#paced.length] ?? { path: '/health' },
    )
    this.#next = (this.#next + count) % this.#paced.length
    const before = this.#cpuMs()
    const { origin } = this.#requiredServer
    const otherOrigins = this.#spare === undefined ? [] : [this.#spare.origin]
    const timeoutMs = CALLER_TIMEOUT_MS
    // Requests that wait for their time limit must not keep later ones from being sent.
    const maxConnections = Math.ceil((ratePerSecond * timeoutMs) / 1000) + 64
    const result = await this.#bench.load.open({
      ...{ origin, otherOrigins, ratePerSecond, durationMs, requests, timeoutMs, maxConnections },
    })
    const cpuMs = since(before, this.#cpuMs())
    await this.#purgeAfter(result.sent)
    return { ...result, cpuMs }
  }

  #cpuMs(): number | undefined {
    const times = this.pids.map(exactCpuMsOf)
    return times.reduce((sum, ms) => (sum === undefined || ms === undefined ? undefined : sum + ms), 0)
  }

  /** Statements and Redis commands a request since the last call; undefined at the first call. */
  async costs(requests: number): Promise<{ statements: number; commands: number } | undefined> {
    const before = this.#counters
    this.#counters = await readCounters(this.#stack, this.#databaseUrl)
    return before === undefined || requests === 0
      ? undefined
      : totalsBetween(before, this.#counters, requests)
  }

  /** The counters are unknown since a fault, or belong to another load. */
  forgetCounters(): void {
    this.#counters = undefined
  }

  async #purgeAfter(requests: number): Promise<void> {
    const { workload, load } = this.#requiredPlan
    if (workload.name !== MIX || load.hitRatio === 1) return
    this.#readsSincePurge += requests * (1 - load.hitRatio) * (1 - load.writeShare)
    if (this.#readsSincePurge > 0.8 * coldReads(this.#stack.dataset)) await this.#purge()
  }

  /**
   * Removes the users that are not hot from Redis, and with them what tier 1 holds: Redis announces each key. Otherwise a user that
   * stands for a miss would be a hit when it is requested again.
   */
  async #purge(): Promise<void> {
    this.#readsSincePurge = 0
    const { redis, dataset } = this.#stack
    if (redis === undefined || this.#requiredPlan.workload.name !== MIX) return
    const hot = new Set(hotIds(dataset).map(String))
    for await (const keys of redis.scanStream({ match: '*:c:user:*}', count: 2000 })) {
      const cold = (keys as string[]).filter((key) => !hot.has(/\{(\d+)\}$/.exec(key)?.[1] ?? ''))
      if (cold.length > 0) await redis.unlink(...cold)
    }
    this.forgetCounters()
  }

  /** Starts a second replica with the same settings. */
  async addReplica(): Promise<void> {
    this.#spare = await this.#startMain(this.#requiredPlan.settings)
  }

  /** Kills the first replica, as the kernel does when memory runs out. */
  async killReplica(): Promise<void> {
    await this.#requiredServer.stop()
  }

  /** From now on all requests go to the second replica, as from a balancer that has noticed. */
  dropKilledReplica(): void {
    if (this.#spare === undefined) return
    this.#server = this.#spare
    this.#spare = undefined
  }

  async stop(): Promise<void> {
    this.#loop?.close()
    this.#loop = undefined
    this.#server = undefined
    this.#spare = undefined
    this.#upstream = undefined
    const former = this.#processes
    this.#processes = new AsyncDisposableStack()
    await former.disposeAsync()
  }
}
