import { EXIT_CODES } from '@reference/cli'
import { renameUser, WRITE_SHARE } from '../../scenarios/requests.ts'
import type { Request } from '../load/request.ts'
import { breakEvenOf, renderBreakEven } from '../report/break-even-chart.ts'
import type { BreakEvenPoint, BreakEvenResults } from '../report/break-even-schema.ts'
import { alignColumns } from '../report/format.ts'
import { readBreakEven, writeFile, writeResultsOfKind } from '../report/results-file.ts'
import { type Bench, withBench } from '../run/bench.ts'
import { durationsFor } from '../run/plan.ts'
import { createProgress, type Progress } from '../run/progress.ts'
import { type Dataset, scatteredIds } from '../stack/dataset.ts'
import { type Server, startServer } from '../stack/server.ts'
import { zipf } from '../stack/zipf.ts'
import { median } from '../stats/effect.ts'

interface BreakEvenArguments {
  readonly rounds: number
  readonly sliceMs: number
  readonly out: string | undefined
  readonly chart: string | undefined
  /** Draws these results instead of measuring. */
  readonly from: string | undefined
  readonly dataset: Dataset
}

/** Shares of the reads that go to the hot users. */
const HOT_SHARES = [0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 1]
const HOT_USERS = 2_000
const ZIPF_EXPONENT = 0.99
const CONNECTIONS = 50
/** More than one slice sends: a cold user must not be read twice in it. */
const REQUESTS_A_SECOND = 60_000
/** Until V8 has compiled the paths of a service. */
const COMPILE_MS = 5_000
/** Both tiers hold the hot users then. */
const FILL_MS = 400
const DEFAULT_OUT = 'bench/baselines/break-even.json'

/** Removes the values of the cache, and with them what tier 1 holds: Redis announces each key. Its id and generations stay. */
const REMOVE_VALUES = `
local cursor = '0'
repeat
  local page = redis.call('SCAN', cursor, 'COUNT', 5000)
  cursor = page[1]
  for _, key in ipairs(page[2]) do
    if string.find(key, ':c:user:', 1, true) and string.sub(key, -1) == '}' then redis.call('UNLINK', key) end
  end
until cursor == '0'`

/**
 * `bench break-even`: the rate of `GET /users/:id` with the cache on and off against its hit ratio, with 5 % writes. Two
 * living services take turns, so that drift of the machine meets both.
 *
 * @returns the exit code
 */
export async function breakEven(args: BreakEvenArguments, signal: AbortSignal): Promise<number> {
  const results = args.from === undefined ? await measure(args, signal) : readBreakEven(args.from)
  if (args.from === undefined) writeResultsOfKind(args.out ?? DEFAULT_OUT, results)
  if (args.chart !== undefined) writeFile(args.chart, renderBreakEven(results))
  process.stdout.write(renderTable(results))
  return EXIT_CODES.OK
}

async function measure(args: BreakEvenArguments, signal: AbortSignal): Promise<BreakEvenResults> {
  const progress = createProgress()
  const options = { dataset: args.dataset, durations: durationsFor({ full: false }), progress, signal }
  const startedAt = new Date().toISOString()
  const results = await withBench(options, async (bench, fingerprint) => {
    const { load } = bench
    await using processes = new AsyncDisposableStack()
    processes.defer(() => load.reapOnExit({}))
    const on = processes.adopt(await start(bench, {}), (server) => server.stop())
    load.reapOnExit({ pids: [on.pid] })
    const off = processes.adopt(await start(bench, { CACHE_L1: 'off', CACHE_L2: 'off' }), (server) =>
      server.stop(),
    )
    load.reapOnExit({ pids: [on.pid, off.pid] })
    const points = await new Sweep(bench, { on, off }, args, progress).run()
    return {
      schemaVersion: 1 as const,
      kind: 'break-even' as const,
      ...{ startedAt, fingerprint, points },
      connections: CONNECTIONS,
      writeShare: WRITE_SHARE,
    }
  })
  progress.done()
  return results
}

function start(
  { stack, placement, folder, signal }: Bench,
  switches: Record<string, string>,
): Promise<Server> {
  return startServer({
    service: 'reference-api',
    environment: {
      ...stack.environment,
      ...switches,
    },
    cores: placement.server,
    folder,
    signal,
  })
}

/** Measures each share of hot reads in each round, with the cache on and off in turn. */
class Sweep {
  readonly #bench: Bench
  readonly #servers: { readonly on: Server; readonly off: Server }
  readonly #args: BreakEvenArguments
  readonly #progress: Progress
  readonly #hot: readonly number[]
  readonly #cold: readonly number[]
  readonly #pickHot: (random: number) => number
  #nextCold = 0

  constructor(
    bench: Bench,
    servers: { on: Server; off: Server },
    args: BreakEvenArguments,
    progress: Progress,
  ) {
    const ids = scatteredIds(args.dataset.users)
    this.#bench = bench
    this.#servers = servers
    this.#args = args
    this.#progress = progress
    this.#hot = ids.slice(0, HOT_USERS)
    this.#cold = ids.slice(HOT_USERS)
    this.#pickHot = zipf(HOT_USERS, ZIPF_EXPONENT)
  }

  async run(): Promise<BreakEvenPoint[]> {
    const { rounds } = this.#args
    const slices = HOT_SHARES.map(() => ({
      on: [] as number[],
      off: [] as number[],
      hitRatios: [] as number[],
    }))
    for (const side of ['on', 'off'] as const) {
      this.#progress.step(`warming up the service with the cache ${side}`)
      await this.#load(side, this.#requests(0.5), COMPILE_MS)
    }
    for (let round = 0; round < rounds; round++) {
      for (const [index, hotShare] of HOT_SHARES.entries()) {
        this.#progress.step(
          `round ${round + 1} of ${rounds}, ${Math.round(hotShare * 100)} % of the reads hot`,
        )
        const slice = slices[index]
        for (const side of round % 2 === 0 ? (['on', 'off'] as const) : (['off', 'on'] as const)) {
          const { rate, hitRatio } = await this.#measureSlice(side, hotShare)
          slice?.[side].push(rate)
          if (side === 'on') slice?.hitRatios.push(hitRatio)
        }
      }
    }
    return HOT_SHARES.map((hotShare, index) => ({
      hotShare,
      hitRatio: median(slices[index]?.hitRatios ?? []),
      on: slices[index]?.on ?? [],
      off: slices[index]?.off ?? [],
    }))
  }

  async #measureSlice(side: 'on' | 'off', hotShare: number): Promise<{ rate: number; hitRatio: number }> {
    const { stack, signal } = this.#bench
    const { origin } = this.#servers[side]
    signal.throwIfAborted()
    await stack.redis?.eval(REMOVE_VALUES, 0)
    const hotUsers = this.#hot.map((id) => ({ path: `/users/${id}` }))
    await this.#load(side, hotUsers, FILL_MS)
    const before = await readHits(origin)
    const { answered, seconds, errors } = await this.#load(side, this.#requests(hotShare), this.#args.sliceMs)
    if (errors > 0) this.#progress.note(`${errors} requests failed with the cache ${side}`)
    const after = await readHits(origin)
    const reads = after.reads - before.reads
    return { rate: answered / seconds, hitRatio: reads === 0 ? 0 : (after.hits - before.hits) / reads }
  }

  async #load(side: 'on' | 'off', requests: readonly Request[], ms: number) {
    const slices = this.#bench.load.slices({
      origin: this.#servers[side].origin,
      connections: CONNECTIONS,
      requests,
    })
    try {
      return await slices.run(ms)
    } finally {
      slices.close()
    }
  }

  #requests(hotShare: number): Request[] {
    const count = Math.ceil((REQUESTS_A_SECOND * this.#args.sliceMs) / 1_000)
    return Array.from({ length: count }, (): Request => {
      const id = Math.random() < hotShare ? (this.#hot[this.#pickHot(Math.random())] ?? 1) : this.#coldUser()
      return Math.random() < WRITE_SHARE ? renameUser(id) : { path: `/users/${id}` }
    })
  }

  #coldUser(): number {
    this.#nextCold = (this.#nextCold + 1) % this.#cold.length
    return this.#cold[this.#nextCold] ?? 1
  }
}

/** Reads of users that a tier answered, and all reads, by the counters of the service. */
async function readHits(origin: string): Promise<{ hits: number; reads: number }> {
  const text = await (await fetch(`${origin}/metrics`)).text()
  const total = (name: string) =>
    [...text.matchAll(new RegExp(`^${name}\\{[^}]*namespace="user"[^}]*\\} (\\S+)`, 'gm'))].reduce(
      (sum, [, value]) => sum + Number(value),
      0,
    )
  const hits = total('cache_hits_total')
  return { hits, reads: hits + total('cache_misses_total') + total('cache_off_total') }
}

function renderTable(results: BreakEvenResults): string {
  const rows = results.points.map(({ hitRatio, on, off }) => {
    const [rateOn, rateOff] = [median(on), median(off)]
    const rates = [rateOn, rateOff].map((rate) => Math.round(rate).toLocaleString('en'))
    return [hitRatio.toFixed(2), ...rates, `${(rateOn / rateOff).toFixed(2)}×`]
  })
  const at = breakEvenOf(results)
  const sentence =
    at === undefined ? 'no break-even in the measured range' : `break-even at a hit ratio of ${at.toFixed(2)}`
  return `${alignColumns([['hit ratio', 'cache on/s', 'off/s', 'on / off'], ...rows], 4)}\n${sentence}\n`
}
