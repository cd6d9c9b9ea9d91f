import { httpSide, type OpenSide, pacedSlice, since } from '../duet/sides.ts'
import type { Slice } from '../duet/slice.ts'
import type { Load } from '../load/load.ts'
import type { Request } from '../load/request.ts'
import { exactCpuMsOf } from '../stack/process-stats.ts'
import type { Bench } from './bench.ts'
import type { RunningVariant } from './running-variant.ts'
import type { Scenario } from './scenario.ts'

/** A slice of a load that is itself at a fixed rate, or has one beside it: long enough for a p99. */
const PACED_SLICE_MS = 1000

/** The requests of a variant, and how they are sent. */
interface VariantLoad {
  readonly origin: string
  readonly pid: number
  readonly requests: readonly Request[]
  readonly pacedRequests: readonly Request[]
}

/** A running variant as a side of the comparison. */
export function variantSide({ load, stack }: Bench, scenario: Scenario, running: RunningVariant): OpenSide {
  const { variant, origin, server } = running
  const requests = (variant.requests ?? scenario.requests)(stack.dataset)
  const pacedRequests = scenario.open?.requests?.(stack.dataset) ?? requests
  const of: VariantLoad = { origin, pid: server.pid, requests, pacedRequests }
  const side =
    scenario.pacedPerSecond === undefined
      ? scenario.open?.beside
        ? besideSide(load, scenario, of, scenario.open.ratePerSecond ?? 0)
        : httpSide(
            load,
            { name: variant.name, origin, pid: server.pid },
            {
              connections: scenario.connections,
              requests,
              pacedRequests,
              leastPacedMs: scenario.open?.leastMs,
            },
          )
      : pacedSide(load, variant.name, of, scenario.pacedPerSecond)
  return variant.before === undefined ? side : new PreparedSide(side, requests.length, running)
}

/** A closed loop with requests at a fixed rate beside it: the effect of one kind of request on the other. */
function besideSide(
  load: Load,
  { connections }: Scenario,
  { origin, pid, requests, pacedRequests }: VariantLoad,
  ratePerSecond: number,
): OpenSide {
  const loop = load.slices({ origin, connections, requests })
  return {
    name: origin,
    connections,
    sliceMs: PACED_SLICE_MS,
    warmUpRequests: 2,
    async load(durationMs) {
      const before = exactCpuMsOf(pid)
      const [closed, open] = await Promise.all([
        loop.run(durationMs),
        load.open({ origin, requests: pacedRequests, ratePerSecond, durationMs }),
      ])
      const cpuMs = since(before, exactCpuMsOf(pid))
      const { latency } = pacedSlice(open, durationMs, undefined)
      const { answered, errors, seconds, bytes, utilisation } = closed
      const slice = { answered, errors, seconds, bytes, cpuMs, generatorShare: utilisation }
      return latency === undefined ? slice : { ...slice, latency }
    },
    close: () => loop.close(),
  }
}

/** Requests at a fixed rate in place of a closed loop, so that all variants do the same work. */
function pacedSide(
  load: Load,
  name: string,
  { origin, pid, requests }: VariantLoad,
  ratePerSecond: number,
): OpenSide {
  const send = async (durationMs: number): Promise<Slice> => {
    const before = exactCpuMsOf(pid)
    const sent = await load.open({ origin, requests, ratePerSecond, durationMs })
    return pacedSlice(sent, durationMs, since(before, exactCpuMsOf(pid)))
  }
  return { name, connections: 1, sliceMs: PACED_SLICE_MS, warmUpRequests: 0, load: send, close: () => {} }
}

/** A side that is prepared again before half of its requests have been sent, for example by emptying its caches. */
class PreparedSide implements OpenSide {
  readonly name: string
  readonly connections: number
  readonly warmUpRequests = 0
  readonly #side: OpenSide
  readonly #most: number
  readonly #running: RunningVariant
  #sent = Number.POSITIVE_INFINITY

  constructor(side: OpenSide, requests: number, running: RunningVariant) {
    this.name = side.name
    this.connections = side.connections
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
    if (slice === undefined) throw new Error(`${this.name} has no fixed rate`)
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
