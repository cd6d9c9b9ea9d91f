import { orderOf } from './order.ts'
import { isSteady, MINIMUM_SLICES } from './steady.ts'

/** The load of one slice of time. */
export interface Slice {
  readonly answered: number
  readonly errors: number
  readonly seconds: number
  /** CPU time of the loaded process with all its threads; undefined where it is not known. */
  readonly cpuMs: number | undefined
  /** Share of the slice for which the generator was busy, 0–1. */
  readonly generatorShare: number
}

/** Something that is measured beside others: a process under load, or a tool that loads a database itself. */
export interface Side {
  readonly name: string
  /** As many requests as are answered within `durationMs`. */
  load(durationMs: number): Promise<Slice>
  /** Requests that fill the caches of the side, for the warm-up to reach at least. */
  readonly warmUpRequests: number
  /** Requests at a fixed rate. Undefined for a tool, which has no such mode. */
  readonly paced: ((ratePerSecond: number, durationMs: number) => Promise<Slice>) | undefined
}

export interface RowDurations {
  /** Of one slice. */
  readonly sliceMs: number
  /** Slices of each side at its maximum rate. */
  readonly turns: number
  /** A side that is not steady after this time does not count in this boot. */
  readonly warmUpLimitMs: number
  /** Of one slice at the fixed rate. */
  readonly pacedMs: number
  readonly pacedTurns: number
}

/** What one boot shows of one side. */
export interface SideBoot {
  readonly steady: boolean
  readonly warmUpSlices: number
  /** At the maximum rate, one a turn. */
  readonly slices: readonly Slice[]
  /** At the fixed rate, one a turn; empty for a tool. */
  readonly paced: readonly Slice[]
}

/** What one boot shows of all sides, in their order. */
export interface RowBoot {
  readonly sides: readonly SideBoot[]
  readonly pacedPerSecond: number
}

const MAX_PACED_PER_SECOND = 1000
/** Beyond the limit, to fill caches and to have enough slices for a verdict. */
const GRACE_MS = 10_000

/**
 * Measures sides that are all alive at once: warms each up until it is steady, then loads them in turns of short slices, so
 * that whatever the machine does meets all of them alike.
 *
 * @param pacedPerSecond the fixed rate; default: 1,000 a second, or half of the slowest side's maximum
 */
export async function measureRow(
  sides: readonly Side[],
  durations: RowDurations,
  pacedPerSecond?: number,
): Promise<RowBoot> {
  const { sliceMs, turns, warmUpLimitMs, pacedMs, pacedTurns } = durations
  const warmUps: WarmUp[] = []
  for (const side of sides) warmUps.push(await warmUp(side, sliceMs, warmUpLimitMs))
  const slices = await inTurns(sides, turns, (side) => side.load(sliceMs))
  const rate = pacedPerSecond ?? fixedRate(slices)
  const canPace = sides.filter(({ paced }) => paced !== undefined)
  const paced = await inTurns(canPace, pacedTurns, (side) => mustPace(side)(rate, pacedMs))
  return {
    pacedPerSecond: rate,
    sides: sides.map((side, i) => ({
      ...(warmUps[i] ?? { steady: false, warmUpSlices: 0 }),
      slices: slices[i] ?? [],
      paced: paced[canPace.indexOf(side)] ?? [],
    })),
  }
}

type WarmUp = Pick<SideBoot, 'steady' | 'warmUpSlices'>

/** A tool starts afresh with each slice, so there is nothing to warm up but the database. */
async function warmUp(side: Side, sliceMs: number, limitMs: number): Promise<WarmUp> {
  if (side.paced === undefined) {
    await side.load(sliceMs)
    return { steady: true, warmUpSlices: 1 }
  }
  const rates: number[] = []
  const until = performance.now() + limitMs
  let answered = 0
  const mustGoOn = () => rates.length < MINIMUM_SLICES || answered < side.warmUpRequests
  while (mustGoOn() || (!isSteady(rates) && performance.now() < until)) {
    const slice = await side.load(sliceMs)
    answered += slice.answered
    rates.push(rateOf(slice))
    if (performance.now() > until + GRACE_MS) break
  }
  return { steady: isSteady(rates), warmUpSlices: rates.length }
}

/** Loads each side once a turn, in balanced order. Returns the slices of each side. */
async function inTurns(
  sides: readonly Side[],
  turns: number,
  load: (side: Side) => Promise<Slice>,
): Promise<Slice[][]> {
  const slices = sides.map((): Slice[] => [])
  for (let turn = 0; turn < turns; turn++) {
    for (const index of orderOf(sides.length, turn)) {
      const side = sides[index]
      if (side !== undefined) slices[index]?.push(await load(side))
    }
  }
  return slices
}

/** Half of the slowest side's rate at most, so that no side saturates. */
function fixedRate(slices: readonly (readonly Slice[])[]): number {
  const slowest = Math.min(...slices.flat().map(rateOf))
  return Math.max(1, Math.min(MAX_PACED_PER_SECOND, Math.floor(slowest / 2)))
}

function mustPace({ name, paced }: Side): NonNullable<Side['paced']> {
  if (paced === undefined) throw new Error(`${name} has no fixed rate`)
  return paced
}

/** Requests a second. */
export function rateOf({ answered, seconds }: Slice): number {
  return answered / seconds
}
