import { orderOf } from '../duet/order.ts'
import type { Request } from '../load/request.ts'
import type { ScaleResults } from '../report/scale-schema.ts'
import type { Bench } from '../run/bench.ts'
import { type Server, startServer } from '../stack/server.ts'
import { effectOfTurns } from '../stats/effect.ts'
import { mergeHistograms, percentilesOf } from '../stats/histogram.ts'
import { CALL_GROUPS, type Call, type CallGroup } from './calls.ts'
import type { ScaledDatabase } from './databases.ts'
import { multiple } from './multiple.ts'

/** The latency of one call over each size of the database. */
export interface CallResult {
  readonly call: Call
  /** In the order of the databases. */
  readonly sizes: ScaleResults['calls'][number]['sizes']
}

export interface ScaleDurations {
  /** Each boot starts all services anew. */
  readonly boots: number
  readonly turns: number
  readonly sliceMs: number
  readonly warmUpMs: number
}

/** Far below saturation: the latency of a call, not of a queue. */
export const RATE_PER_SECOND = 300

/** Slices of one call in one boot, for each database one a turn. */
type Turns = readonly (readonly string[])[]

/**
 * Measures every hot call on databases of different sizes. The services of all databases are alive at once and are loaded in
 * turns of short slices, open loop at a fixed rate, so that whatever the machine does meets all sizes alike.
 */
export async function measureScale(
  bench: Bench,
  databases: readonly ScaledDatabase[],
  durations: ScaleDurations,
): Promise<CallResult[]> {
  const boots: Map<Call, { turns: Turns; errors: readonly number[] }>[] = []
  for (let boot = 0; boot < durations.boots; boot++) {
    const measured: (typeof boots)[number] = new Map()
    for (const group of CALL_GROUPS) {
      await using processes = new AsyncDisposableStack()
      processes.defer(() => bench.load.reapOnExit({}))
      const servers = await startServers(bench, databases, group, processes)
      for (const call of group.calls) {
        bench.signal.throwIfAborted()
        measured.set(call, await measureCall(bench, { call, servers, databases, durations }))
      }
    }
    boots.push(measured)
  }
  return CALL_GROUPS.flatMap(({ calls }) => calls).map((call) => ({
    call,
    sizes: databases.map((_, size) => {
      const slices = boots.map((boot) => boot.get(call)?.turns[size] ?? [])
      const smallest = boots.map((boot) => boot.get(call)?.turns[0] ?? [])
      const { p50, p99 } = percentilesOf(mergeHistograms(slices.flat()))
      return {
        p50Ms: p50,
        p99Ms: p99,
        growth: size === 0 ? { ratio: 1, low: 1, high: 1 } : growthOf(slices, smallest),
        errors: boots.reduce((sum, boot) => sum + (boot.get(call)?.errors[size] ?? 0), 0),
      }
    }),
  }))
}

/** The ratio of the medians of two sizes, turn by turn. */
function growthOf(larger: readonly (readonly string[])[], smaller: readonly (readonly string[])[]) {
  const medianOf = (slice: string) => percentilesOf(mergeHistograms([slice])).p50
  return multiple(
    effectOfTurns(
      larger.map((turns, boot) =>
        turns.map((slice, turn) => medianOf(slice) / medianOf(smaller[boot]?.[turn] ?? slice)),
      ),
    ),
  )
}

async function startServers(
  bench: Bench,
  databases: readonly ScaledDatabase[],
  { service, environment }: CallGroup,
  processes: AsyncDisposableStack,
): Promise<Server[]> {
  const { stack, folder, placement, signal, load } = bench
  const servers: Server[] = []
  for (const { url } of databases) {
    const server = await startServer({
      service,
      environment: {
        ...stack.environment,
        DATABASE_URL: url,
        ...environment,
      },
      cores: placement.server,
      folder,
      signal,
    })
    servers.push(processes.adopt(server, (each) => each.stop()))
    load.reapOnExit({ pids: servers.map(({ pid }) => pid) })
  }
  return servers
}

async function measureCall(
  { load }: Bench,
  parts: {
    call: Call
    servers: readonly Server[]
    databases: readonly ScaledDatabase[]
    durations: ScaleDurations
  },
) {
  const { call, servers, databases, durations } = parts
  const requests = databases.map(({ dataset }) => takeTurns(call.requests(dataset)))
  const loadOne = (size: number, durationMs: number) =>
    load.open({
      origin: servers[size]?.origin ?? '',
      ratePerSecond: RATE_PER_SECOND,
      durationMs,
      requests: requests[size]?.(Math.ceil((RATE_PER_SECOND * durationMs) / 1000)) ?? [],
    })
  for (const size of databases.keys()) await loadOne(size, durations.warmUpMs)
  const turns: string[][] = databases.map(() => [])
  const errors = databases.map(() => 0)
  for (let turn = 0; turn < durations.turns; turn++) {
    for (const size of orderOf(databases.length, turn)) {
      const slice = await loadOne(size, durations.sliceMs)
      turns[size]?.push(slice.histogram)
      errors[size] = (errors[size] ?? 0) + slice.errors
    }
  }
  return { turns, errors }
}

/** Hands out requests one after another, again from the first after the last, so that each slice reads other rows. */
function takeTurns(requests: readonly Request[]): (count: number) => Request[] {
  let next = 0
  return (count) => Array.from({ length: count }, () => requests[next++ % requests.length] ?? { path: '/' })
}
