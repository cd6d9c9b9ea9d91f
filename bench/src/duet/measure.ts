import { orderOf } from './order.ts'
import { rateOf, ratiosOf, type Side, type Slice, sumOf } from './slice.ts'
import { isSteady } from './steady.ts'

export interface DuetDurations {
  /** Load of each side before anything counts. */
  readonly warmUpMs: number
  /** Longest load of a side before anything counts, where it has not answered its `warmUpRequests` yet. */
  readonly warmUpLimitMs: number
  /** Load of each side at its maximum rate. */
  readonly measureMs: number
  /** Load of each side after which a side that still changes is given up. */
  readonly limitMs: number
  /** Of one slice at the fixed rate; 0: none. */
  readonly pacedMs: number
  readonly pacedTurns: number
}

export interface SideBoot {
  /** False when the ratio to the first side still changed at the limit. Then the boot does not count. */
  readonly steady: boolean
  /** Slices that do not count. */
  readonly warmUpSlices: number
  readonly slices: readonly Slice[]
  /** At the fixed rate. */
  readonly paced: readonly Slice[]
}

export interface DuetBoot {
  /** In the order of the sides. */
  readonly sides: readonly SideBoot[]
  readonly pacedPerSecond: number
}

/** The first slice of a side, whose rate is not known yet. */
const FIRST_SLICE_MS = 100
const SHORTEST_SLICE_MS = 25
const LONGEST_SLICE_MS = 400
/** Replies of each connection in a slice. */
const REPLIES = 5
const MINIMUM_TURNS = 8
/** Of sides whose slices have a duration of their own. Even, so that each side is first equally often. */
export const MINIMUM_LONG_TURNS = 4

/**
 * Measures sides that are all alive at once. They are loaded in turns of short slices, in balanced order, so that changes of the
 * machine's speed affect all of them equally.
 *
 * Short slices, because the speed of a shared core changes within a second: in the same time, slices of 25 ms gave ratios with
 * two thirds of the spread that slices of 50 ms gave (identical sides, eight boots each).
 *
 * @param options.boot number of the boot, from 0: the order of the sides goes on from boot to boot
 * @param options.fixedRate the rate of the paced slices, from the slowest side's maximum rate
 */
export async function measureDuet(
  sides: readonly Side[],
  durations: DuetDurations,
  { boot, fixedRate }: { readonly boot: number; readonly fixedRate: (slowestPerSecond: number) => number },
): Promise<DuetBoot> {
  const runs = sides.map((side) => new SideRun(side))
  const turns = new Turns(runs, durations, boot)
  await turns.warmUp()
  const steady = await turns.measure()
  const slowest = Math.min(...runs.map(({ rate }) => rate))
  const pacedPerSecond = fixedRate(slowest)
  const paced = await paceInTurns(sides, durations, pacedPerSecond, boot)
  return {
    pacedPerSecond,
    sides: runs.map((run, i) => ({
      steady: steady[i] ?? true,
      warmUpSlices: run.dropped,
      slices: run.slices,
      paced: paced[i] ?? [],
    })),
  }
}

/** The slices of one side. */
class SideRun {
  readonly side: Side
  slices: Slice[] = []
  /** Slices of the warm-up. */
  dropped = 0
  /** The duration that the rate of this side asks for. */
  wantedMs: number

  constructor(side: Side) {
    this.side = side
    this.wantedMs = side.sliceMs ?? FIRST_SLICE_MS
  }

  async load(durationMs: number): Promise<void> {
    const slice = await this.side.load(durationMs)
    this.slices.push(slice)
    if (this.side.sliceMs !== undefined || slice.answered === 0) return
    const replyMs = (this.side.connections * 1000) / rateOf(slice)
    this.wantedMs = Math.min(LONGEST_SLICE_MS, Math.max(SHORTEST_SLICE_MS, Math.ceil(REPLIES * replyMs)))
  }

  /** Requests a second over the slices that count. */
  get rate(): number {
    return rateOf(sumOf(this.slices))
  }

  drop(count: number): void {
    this.dropped += this.slices.splice(0, count).length
  }
}

class Turns {
  readonly #runs: readonly SideRun[]
  readonly #durations: DuetDurations
  readonly #began = performance.now()
  #turn: number

  constructor(runs: readonly SideRun[], durations: DuetDurations, boot: number) {
    this.#runs = runs
    this.#durations = durations
    this.#turn = boot
  }

  /** Loads each side for its time, and on until it has answered its requests or reaches the limit. */
  async warmUp(): Promise<void> {
    const { warmUpMs, warmUpLimitMs } = this.#durations
    const loads = this.#runs.map(() => ({ ms: 0, answered: 0 }))
    const needsMore = ({ ms, answered }: (typeof loads)[number], index: number) =>
      ms < warmUpMs || (ms < warmUpLimitMs && answered < (this.#runs[index]?.side.warmUpRequests ?? 0))
    while (loads.some(needsMore)) {
      for (const index of orderOf(this.#runs.length, this.#turn++)) {
        const [run, load] = [this.#runs[index], loads[index]]
        if (run === undefined || load === undefined || !needsMore(load, index)) continue
        await run.load(run.wantedMs)
        const slice = run.slices.at(-1)
        load.ms += (slice?.seconds ?? 0) * 1000
        load.answered += slice?.answered ?? 0
        run.drop(1)
      }
    }
  }

  /**
   * Loads until there are enough turns and the sides no longer change against each other. What a longer warm-up would have
   * dropped is dropped.
   *
   * @returns for each side whether it is steady
   */
  async measure(): Promise<boolean[]> {
    const { measureMs, limitMs } = this.#durations
    const limit = this.#began + limitMs * this.#runs.length
    while (true) {
      await this.#loadFor(measureMs * this.#runs.length)
      const steady = this.#steady()
      if (steady.every(Boolean) || performance.now() > limit) return steady
      this.#drop(Math.ceil(this.#turns / 2))
    }
  }

  get #turns(): number {
    return this.#runs[0]?.slices.length ?? 0
  }

  async #loadFor(totalMs: number): Promise<void> {
    const long = this.#runs.every(({ side }) => side.sliceMs !== undefined)
    const minimum = long ? MINIMUM_LONG_TURNS : MINIMUM_TURNS
    const loadedMs = () => this.#runs.reduce((sum, { slices }) => sum + sumOf(slices).seconds * 1000, 0)
    while (this.#turns < minimum || loadedMs() < totalMs) await this.#loadEach()
  }

  /** One turn. Beside a slow side a quick one gets half of its time, so that its figures are no worse known. */
  async #loadEach(): Promise<void> {
    const shortest = Math.max(...this.#runs.map(({ wantedMs }) => wantedMs)) / 2
    for (const index of orderOf(this.#runs.length, this.#turn++)) {
      const run = this.#runs[index]
      await run?.load(run.side.sliceMs ?? Math.max(run.wantedMs, shortest))
    }
  }

  #drop(count: number): void {
    for (const run of this.#runs) run.drop(count)
  }

  #steady(): boolean[] {
    const [first] = this.#runs
    return this.#runs.map(
      (run) => run === first || isSteady(ratiosOf(first?.slices ?? [], run.slices, rateOf)),
    )
  }
}

/**
 * Load at the fixed rate that does not count. Arrivals that do not wait for each other need more connections to the database than the closed loop, and the
 * pool opens them then: first slices of 400 ms of `/all` had a p99 of 10 to 340 ms, the ones after two slices 10 to 20 ms.
 */
const PACED_WARM_UP_MS = 200

/** Loads each side at the fixed rate once a turn. Returns the slices of each side; none for a side without that mode. */
async function paceInTurns(
  sides: readonly Side[],
  { pacedMs, pacedTurns }: DuetDurations,
  ratePerSecond: number,
  boot: number,
): Promise<Slice[][]> {
  const slices = sides.map((): Slice[] => [])
  if (pacedMs === 0) return slices
  for (const index of orderOf(sides.length, boot * pacedTurns))
    await sides[index]?.paced?.(ratePerSecond, PACED_WARM_UP_MS)
  for (let turn = 0; turn < pacedTurns; turn++) {
    for (const index of orderOf(sides.length, boot * pacedTurns + turn)) {
      const side = sides[index]
      const slice = await side?.paced?.(ratePerSecond, Math.max(pacedMs, side.leastPacedMs ?? 0))
      if (slice !== undefined) slices[index]?.push(slice)
    }
  }
  return slices
}
