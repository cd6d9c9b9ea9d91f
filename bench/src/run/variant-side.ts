import { MINIMUM_LONG_TURNS } from '../duet/measure.ts'
import { closedSlice, httpSide, type OpenSide, pacedSlice, since } from '../duet/sides.ts'
import type { Slice } from '../duet/slice.ts'
import type { KeepAliveOptions } from '../load/keep-alive-loop.ts'
import type { Load } from '../load/load.ts'
import type { OpenLoopOptions } from '../load/open-loop.ts'
import { exactCpuMsOf } from '../stack/process-stats.ts'
import type { Bench } from './bench.ts'
import type { RunningVariant } from './running-variant.ts'
import type { Scenario } from './scenario.ts'

/** A slice of a load that is itself at a fixed rate, or has one beside it: long enough for a p99 over the turns of a boot. */
const LONG_SLICE_MS = 1000

/** A running variant as a side of the comparison. */
export function variantSide({ load, stack }: Bench, scenario: Scenario, running: RunningVariant): OpenSide {
  const { variant, requests, origin, server } = running
  const pacedRequests = scenario.open?.requests?.(stack.dataset) ?? requests
  const { pacedPerSecond, open, connections } = scenario
  if (pacedPerSecond !== undefined || open?.beside) {
    const main =
      pacedPerSecond === undefined
        ? closedLoad(load, { origin, connections, requests })
        : pacedLoad(load, { origin, requests, ratePerSecond: pacedPerSecond })
    const beside = open?.beside
      ? pacedLoad(load, { origin, requests: pacedRequests, ratePerSecond: open.ratePerSecond ?? 0 })
      : undefined
    return longSide(
      main,
      beside,
      server.pid,
      Math.max(LONG_SLICE_MS, (open?.leastMs ?? 0) / MINIMUM_LONG_TURNS),
    )
  }
  const side = httpSide(
    load,
    { origin, pid: server.pid },
    { connections, requests, pacedRequests, leastPacedMs: open?.leastMs },
  )
  return variant.before === undefined ? side : new PreparedSide(side, requests.length, running)
}

/** A kind of load on one variant. */
interface LoadOfSide {
  /** Its CPU time is counted with that of the load beside it. */
  run(durationMs: number): Promise<Slice>
  close(): void
}

function closedLoad(load: Load, options: KeepAliveOptions): LoadOfSide {
  const loop = load.slices(options)
  return {
    run: async (durationMs) => closedSlice(await loop.run(durationMs), undefined),
    close: () => loop.close(),
  }
}

/** Requests at a fixed rate, so that all variants do the same work. */
function pacedLoad(load: Load, options: Omit<OpenLoopOptions, 'durationMs'>): LoadOfSide {
  return {
    run: async (durationMs) => pacedSlice(await load.open({ ...options, durationMs }), durationMs, undefined),
    close: () => {},
  }
}

/**
 * A load with long slices. With another load beside it, the answers are those of the first one and the latencies those of the second:
 * the effect of one kind of request on the other.
 */
function longSide(main: LoadOfSide, beside: LoadOfSide | undefined, pid: number, sliceMs: number): OpenSide {
  return {
    connections: 1,
    sliceMs,
    warmUpRequests: 0,
    async load(durationMs) {
      const before = exactCpuMsOf(pid)
      const [slice, other] = await Promise.all([main.run(durationMs), beside?.run(durationMs)])
      const cpuMs = since(before, exactCpuMsOf(pid))
      return { ...slice, cpuMs, ...(other?.latency && { latency: other.latency }) }
    },
    close: () => main.close(),
  }
}

/** A side that is prepared again before half of its requests have been sent, for example by emptying its caches. */
class PreparedSide implements OpenSide {
  readonly connections: number
  readonly leastPacedMs: number | undefined
  readonly warmUpRequests = 0
  readonly #side: OpenSide
  readonly #most: number
  readonly #running: RunningVariant
  #sent = Number.POSITIVE_INFINITY

  constructor(side: OpenSide, requests: number, running: RunningVariant) {
    this.connections = side.connections
    this.leastPacedMs = side.leastPacedMs
    this.#side = side
    this.#most = requests / 2
    this.#running = running
  }

  async load(durationMs: number): Promise<Slice> {
    if (this.#sent > this.#most) await this.#prepare()
    const slice = await this.#side.load(durationMs)
    this.#sent += slice.answered
    return slice
  }

  readonly paced = async (ratePerSecond: number, durationMs: number): Promise<Slice> => {
    // Each slice at a fixed rate begins with the first request.
    await this.#prepare()
    const slice = await this.#side.paced?.(ratePerSecond, durationMs)
    this.#sent = Number.POSITIVE_INFINITY
    if (slice === undefined) throw new Error('this side has no fixed rate')
    return slice
  }

  async #prepare(): Promise<void> {
    const { variant, stack, origin } = this.#running
    await variant.before?.(stack, origin)
    this.#sent = 0
  }

  close(): void {
    this.#side.close()
  }
}
