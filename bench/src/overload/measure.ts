import { setTimeout as sleep } from 'node:timers/promises'
import { BUCKET_MS, type ImpatientResult } from '../load/impatient-loop.ts'
import type { Request } from '../load/request.ts'
import type { OverloadCall, OverloadPoint, OverloadSide } from '../report/overload-schema.ts'
import type { Bench } from '../run/bench.ts'
import type { Dataset } from '../stack/dataset.ts'
import { type Server, startServer } from '../stack/server.ts'
import { mergeHistograms, percentilesOf } from '../stats/histogram.ts'
import type { OverloadedCall } from './calls.ts'

export interface OverloadDurations {
  readonly warmUpMs: number
  /** Each rate. */
  readonly phaseMs: number
  /** At the lowest rate after the highest one. */
  readonly recoveryMs: number
  readonly patienceMs: number
}

/** Offered rates as multiples of the rate of saturation. The first is the normal load, the last the overload. */
const MULTIPLES = [0.5, 0.75, 1, 1.5, 2, 3]

/** A reply is late when it takes this many times as long as 99 % of those under normal load. */
const LATE = 4

/**
 * Raises the rate of a call to three times its rate of saturation, with the limit of requests in flight and without it, then returns to
 * the normal rate and finds out when all is as before. `/health` and `/ready` are probed all the time.
 */
export async function measureOverload(
  bench: Bench,
  call: OverloadedCall,
  dataset: Dataset,
  durations: OverloadDurations,
): Promise<OverloadCall> {
  const requests = call.requests(dataset)
  let saturation: number | undefined
  const sides: OverloadSide[] = []
  for (const limit of ['off', 'on'] as const) {
    bench.signal.throwIfAborted()
    await using processes = new AsyncDisposableStack()
    processes.defer(() => bench.load.reapOnExit({}))
    const server = processes.adopt(await start(bench, call, limit), (each) => each.stop())
    bench.load.reapOnExit({ pids: [server.pid] })
    const rate = await saturationOf(bench, server, call, requests, durations.warmUpMs)
    saturation ??= rate
    sides.push(await new Ascent(bench, server, requests, durations).run(limit, saturation))
  }
  const { name, request } = call
  return { name, request, saturationPerSecond: Math.round(saturation ?? 0), sides: sides.toReversed() }
}

function start({ stack, placement, folder, signal }: Bench, call: OverloadedCall, limit: 'on' | 'off') {
  return startServer({
    service: call.service,
    environment: { ...stack.environment, ...call.environment, CONCURRENCY_LIMIT: limit },
    cores: placement.server,
    folder,
    signal,
  })
}

/** Warms the service up, then takes the rate of a closed loop, which is that of saturation. */
async function saturationOf(
  { load }: Bench,
  { origin }: Server,
  { connections }: OverloadedCall,
  requests: readonly Request[],
  warmUpMs: number,
): Promise<number> {
  const slices = load.slices({ origin, connections, requests })
  try {
    await slices.run(warmUpMs)
    const { answered, errors, seconds } = await slices.run(warmUpMs)
    return (answered - errors) / seconds
  } finally {
    slices.close()
  }
}

class Ascent {
  readonly #bench: Bench
  readonly #server: Server
  readonly #requests: readonly Request[]
  readonly #durations: OverloadDurations

  constructor(bench: Bench, server: Server, requests: readonly Request[], durations: OverloadDurations) {
    this.#bench = bench
    this.#server = server
    this.#requests = requests
    this.#durations = durations
  }

  async run(limit: 'on' | 'off', saturation: number): Promise<OverloadSide> {
    const { phaseMs, recoveryMs } = this.#durations
    const points: OverloadPoint[] = []
    for (const multiple of MULTIPLES) {
      this.#bench.signal.throwIfAborted()
      const rate = Math.max(1, Math.round(saturation * multiple))
      points.push({ multiple, ratePerSecond: rate, ...(await this.#measure(rate, phaseMs)) })
    }
    const [normal] = points
    const normalRate = Math.max(1, Math.round(saturation * (MULTIPLES[0] ?? 0.5)))
    const after = await this.#load(normalRate, recoveryMs)
    return { limit, points, recoveryMs: recoveryOf(after, LATE * (normal?.p99Ms ?? 0)) }
  }

  #load(ratePerSecond: number, durationMs: number) {
    const { patienceMs } = this.#durations
    const { origin } = this.#server
    return this.#bench.load.impatient({
      origin,
      ratePerSecond,
      durationMs,
      requests: this.#requests,
      patienceMs,
    })
  }

  async #measure(rate: number, durationMs: number) {
    const probes = ['/health', '/ready'].map((path) => startProbe(`${this.#server.origin}${path}`))
    const result = await this.#load(rate, durationMs)
    const [health, ready] = await Promise.all(probes.map((probe) => probe.stop()))
    const { p50, p99 } = percentilesOf(mergeHistograms([result.histogram]))
    const perSecond = (count: number) => Math.round((count * 1000) / durationMs)
    return {
      goodPerSecond: perSecond(result.good),
      refusedPerSecond: perSecond(result.refused),
      abandonedPerSecond: perSecond(result.abandoned),
      failed: result.failed,
      p50Ms: p50,
      p99Ms: p99,
      lagP99Ms: result.lagP99Ms,
      health: health ?? NO_PROBE,
      ready: ready ?? NO_PROBE,
    }
  }
}

/** The end of the last quarter of a second in which a request failed or was late; null if that is the last one that was measured. */
function recoveryOf({ buckets }: ImpatientResult, lateMs: number): number | null {
  const last = buckets.findLastIndex(({ due, good, slowestMs }) => good < due || slowestMs > lateMs)
  return last === buckets.length - 1 ? null : (last + 1) * BUCKET_MS
}

const NO_PROBE = { p99Ms: 0, slowestMs: 0, failed: 0 }
const PROBE_EVERY_MS = 50

/** Requests a path every 50 ms until it is stopped, each time after the reply, over a connection of its own. */
function startProbe(url: string): { stop(): Promise<OverloadPoint['health']> } {
  const times: number[] = []
  let failed = 0
  let isStopped = false
  const probe = async () => {
    while (!isStopped) {
      const began = performance.now()
      const ok = await fetch(url, { signal: AbortSignal.timeout(10_000) }).then(
        async (reply) => {
          await reply.arrayBuffer()
          return reply.ok
        },
        () => false,
      )
      times.push(performance.now() - began)
      if (!ok) failed++
      await sleep(PROBE_EVERY_MS)
    }
  }
  const probing = probe()
  return {
    async stop() {
      isStopped = true
      await probing
      const sorted = times.toSorted((a, b) => a - b)
      const at = (share: number) =>
        sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))] ?? 0
      return { p99Ms: at(0.99), slowestMs: at(1), failed }
    },
  }
}
