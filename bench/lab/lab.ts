import { orderOf } from '../src/duet/order.ts'
import { COMPILE_REQUESTS } from '../src/duet/sides.ts'
import { rateOf, type Slice, sumOf } from '../src/duet/slice.ts'
import { rounded } from '../src/stats/rounded.ts'
import { VALIDITY_LIMITS } from '../src/stats/validity.ts'
import type { Board } from './board.ts'
import { RunningComparison } from './comparison.ts'
import type { Copy, PacedSlice } from './copy.ts'
import { FaultRun } from './fault-run.ts'
import { createFault } from './faults.ts'
import { cpuMicrosOf, failuresOf, latenciesOf, tiersOf } from './figures.ts'
import { type Figures, type OfBoth, SIDES, type SideName } from './protocol.ts'
import type { Wanted } from './wanted.ts'
import { type Workload, workloads } from './workloads.ts'

interface LabOptions {
  readonly copies: OfBoth<Copy>
  readonly wanted: Wanted
  readonly board: Board
  readonly postgresPid: number
  readonly redisPids: readonly number[]
  /** Longest load of a copy before its figures count. */
  readonly warmUpMs: number
  /** Receives the processes to end if this one is killed. */
  readonly reap: (pids: readonly number[]) => void
  readonly signal: AbortSignal
}

const WARM_UP_SLICE_MS = 200
/** Pairs of slices of the closed loop in a turn. */
const PAIRS = 4
const FIRST_SLICE_MS = 100
const SLICE_LIMITS_MS = [50, 400] as const
/** Replies of each caller in a slice. */
const REPLIES = 5
const PACED_MS = 500
const LONG_MS = 1000
/** Turns whose latencies are merged: one has too few requests for a p99. */
const LATENCY_TURNS = 5

/** What one copy did in one turn. */
interface Turn {
  readonly slices: Slice[]
  readonly paced: PacedSlice[]
}

/**
 * Loads the two copies in turns of short slices, in balanced order, as the benchmark does, and follows what the page asks for between
 * two slices.
 */
export class Lab {
  readonly #options: LabOptions
  readonly #copies: OfBoth<Copy>
  readonly #comparison = new RunningComparison()
  readonly #began = performance.now()
  /** What runs at present, of what is wanted. */
  #applied: Pick<Wanted, 'load' | 'settings' | 'fault' | 'revision'> | undefined
  #fault: FaultRun | undefined
  #run = 0
  #order = 0
  #sliceMs: number = FIRST_SLICE_MS
  #histograms: Record<SideName, string[]> = { shipped: [], yours: [] }

  constructor(options: LabOptions) {
    this.#options = options
    this.#copies = options.copies
  }

  /** Runs until the signal aborts; ends a fault before that. */
  async run(): Promise<void> {
    const { signal, wanted } = this.#options
    try {
      while (!signal.aborted) {
        try {
          await this.#follow()
          if (this.#fault === undefined) await this.#measure()
          else await this.#fault.turn()
          this.#endOldFault()
        } catch (error) {
          if (signal.aborted) return
          this.#refuse(error as Error)
          await wanted.changed(signal)
        }
      }
    } finally {
      await this.#fault?.end()
      await Promise.all(SIDES.map((side) => this.#copies[side].stop()))
    }
  }

  /** A copy that does not start, or has ended, is started again after the next change. */
  #refuse(error: Error): void {
    this.#applied = undefined
    this.#options.board.update({ phase: 'refused', message: error.message })
  }

  #endOldFault(): void {
    if (this.#fault?.isOverdue && this.#options.wanted.fault !== null) this.#options.wanted.setFault('none')
  }

  get #isOutdated(): boolean {
    return this.#applied?.revision !== this.#options.wanted.revision || this.#options.signal.aborted
  }

  get #workload(): Workload {
    const [first] = workloads
    const found = workloads.find(({ name }) => name === this.#options.wanted.load.workload) ?? first
    if (found === undefined) throw new Error('there is no workload')
    return found
  }

  /** Brings the copies to what is wanted. */
  async #follow(): Promise<void> {
    const { wanted, board } = this.#options
    const former = this.#applied
    if (former?.revision === wanted.revision) return
    const { load, settings, fault, revision } = wanted
    if (this.#fault !== undefined && fault !== former?.fault) await this.#endFault()
    const outdated = this.#outdatedSides()
    if (outdated.length > 0 || former?.load !== load) this.#reset()
    board.update({ comparison: this.#comparison.result })
    if (outdated.length > 0) await this.#restart(outdated)
    if (former?.load !== load) await this.#setLoad(SIDES.filter((side) => !outdated.includes(side)))
    this.#applied = { load, settings, fault, revision }
    if (fault !== null && this.#fault === undefined) await this.#beginFault(fault)
    if (this.#fault !== undefined) return
    // After a fault both copies may be other processes, with empty caches.
    await this.#warmUp(former !== undefined && former.fault !== fault ? SIDES : outdated)
    if (!this.#isOutdated) board.update({ phase: 'measuring', message: this.#measuring() })
  }

  /** The copies that have to be started again. */
  #outdatedSides(): readonly SideName[] {
    const { load, settings } = this.#options.wanted
    if (this.#applied?.load.workload !== load.workload) return SIDES
    return this.#applied.settings === settings ? [] : ['yours']
  }

  async #setLoad(sides: readonly SideName[]): Promise<void> {
    for (const side of sides) await this.#copies[side].setLoad(this.#options.wanted.load)
  }

  #measuring(): string {
    const { shape } = this.#workload
    const how =
      shape === 'turns' ? 'in turns of short slices, in balanced order' : 'in turns of a second each'
    return `Loading both copies ${how}`
  }

  /** Figures of an earlier load or of an earlier process do not count any more. */
  #reset(): void {
    this.#run++
    this.#comparison.reset()
    this.#histograms = { shipped: [], yours: [] }
    this.#sliceMs = FIRST_SLICE_MS
  }

  async #restart(sides: readonly SideName[]): Promise<void> {
    const { wanted, board, reap } = this.#options
    const { load, settings } = wanted
    const names = sides.length === 2 ? 'both copies' : '“yours”'
    board.update({ phase: 'starting', message: `Starting ${names}` })
    for (const side of sides) {
      const own = side === 'yours' ? settings : {}
      await this.#copies[side].start({ workload: this.#workload, load, settings: own })
      reap(SIDES.flatMap((each) => this.#copies[each].pids))
    }
  }

  /** Loads the copies until V8 has compiled their paths and their caches are full. */
  async #warmUp(sides: readonly SideName[]): Promise<void> {
    const { warmUpMs, board } = this.#options
    if (this.#workload.shape === 'paced') return
    const loads = sides.map((side) => ({ side, ms: 0, answered: 0 }))
    const needsMore = ({ ms, answered }: (typeof loads)[number]) =>
      ms < warmUpMs && answered < COMPILE_REQUESTS
    while (loads.some(needsMore) && !this.#isOutdated) {
      const least = Math.min(
        ...loads.map(({ ms, answered }) => Math.max(ms / warmUpMs, answered / COMPILE_REQUESTS)),
      )
      board.update({ phase: 'warming', message: `Warming up: ${Math.round(least * 100)} %` })
      for (const load of loads.filter(needsMore)) {
        const { answered, seconds } = await this.#copies[load.side].closed(WARM_UP_SLICE_MS)
        load.ms += seconds * 1000
        load.answered += answered
      }
    }
  }

  async #beginFault(name: NonNullable<Wanted['fault']>): Promise<void> {
    const { board, postgresPid, redisPids, reap } = this.#options
    const copies = SIDES.map((side) => this.#copies[side])
    board.update({ phase: 'fault', message: 'Causing the fault' })
    const fault = createFault(name, { copies, postgresPid, redisPids })
    this.#fault = new FaultRun(name, fault, {
      ...{ copies: this.#copies, board },
      ratePerSecond: () => this.#options.wanted.load.ratePerSecond,
      at: () => this.#at,
      run: this.#run,
    })
    await this.#fault.begin()
    reap(copies.flatMap(({ pids }) => pids))
  }

  async #endFault(): Promise<void> {
    await this.#fault?.end()
    this.#fault = undefined
    this.#reset()
    await this.#setLoad(SIDES)
  }

  /** One turn of both copies, and a sample of it. Ends early when something else is wanted. */
  async #measure(): Promise<void> {
    const turns: OfBoth<Turn> = { shipped: { slices: [], paced: [] }, yours: { slices: [], paced: [] } }
    const { shape } = this.#workload
    const { ratePerSecond } = this.#options.wanted.load
    if (shape === 'turns') {
      for (let pair = 0; pair < PAIRS && !this.#isOutdated; pair++) await this.#loadPair(turns)
    }
    for (const side of this.#nextOrder()) {
      if (this.#isOutdated) return
      const [copy, turn] = [this.#copies[side], turns[side]]
      const durationMs = shape === 'turns' ? PACED_MS : LONG_MS
      const [paced, slice] = await Promise.all([
        copy.paced(ratePerSecond, durationMs),
        shape === 'beside' ? copy.closed(durationMs) : undefined,
      ])
      turn.paced.push(paced)
      if (slice !== undefined) turn.slices.push(slice)
    }
    this.#compare(turns)
    await this.#publish(turns)
  }

  async #loadPair(turns: OfBoth<Turn>): Promise<void> {
    let slowestMs = 0
    for (const side of this.#nextOrder()) {
      const slice = await this.#copies[side].closed(this.#sliceMs)
      turns[side].slices.push(slice)
      const callers = this.#options.wanted.load.callers
      if (slice.answered > 0) slowestMs = Math.max(slowestMs, (REPLIES * callers * 1000) / rateOf(slice))
    }
    const [shortest, longest] = SLICE_LIMITS_MS
    this.#sliceMs = Math.min(longest, Math.max(shortest, Math.ceil(slowestMs)))
    const [shipped, yours] = [turns.shipped.slices.at(-1), turns.yours.slices.at(-1)]
    if (shipped !== undefined && yours !== undefined) this.#comparison.addSlices({ shipped, yours })
  }

  #nextOrder(): SideName[] {
    return orderOf(SIDES.length, this.#order++).flatMap((index) => SIDES[index] ?? [])
  }

  #compare(turns: OfBoth<Turn>): void {
    const { shape } = this.#workload
    const [shipped, yours] = [turns.shipped.slices[0], turns.yours.slices[0]]
    if (shape === 'beside' && shipped !== undefined && yours !== undefined)
      this.#comparison.addSlices({ shipped, yours })
    const p99 = (side: SideName) => latenciesOf(turns[side].paced.map(({ histogram }) => histogram)).p99 ?? 0
    this.#comparison.addLatencies({ shipped: p99('shipped'), yours: p99('yours') })
  }

  async #publish(turns: OfBoth<Turn>): Promise<void> {
    const { board } = this.#options
    const figures = {
      shipped: await this.#figuresOf('shipped', turns.shipped),
      yours: await this.#figuresOf('yours', turns.yours),
    }
    const busiest = Math.max(
      0,
      ...SIDES.flatMap((side) => turns[side].slices.map(({ generatorShare }) => generatorShare)),
    )
    board.add({ at: this.#at, fault: null, run: this.#run, figures })
    board.update({
      comparison: this.#comparison.result,
      generatorBusy: busiest > VALIDITY_LIMITS.generatorUtilisation,
    })
  }

  async #figuresOf(side: SideName, { slices, paced }: Turn): Promise<Figures> {
    const kept = [...this.#histograms[side], ...paced.map(({ histogram }) => histogram)].slice(-LATENCY_TURNS)
    this.#histograms[side] = kept
    const total = sumOf(slices)
    const sent = paced.reduce((sum, slice) => sum + slice.sent, 0)
    const costs = await this.#copies[side].costs(total.answered + sent)
    return {
      rate: slices.length === 0 ? null : rounded(rateOf(total), 1),
      ...latenciesOf(kept),
      cpuMicros: cpuMicrosOf(slices, paced),
      tiers: tiersOf(paced),
      statements: costs === undefined ? null : rounded(costs.statements, 3),
      commands: costs === undefined ? null : rounded(costs.commands, 3),
      sent,
      failures: failuresOf(paced),
    }
  }

  /** Seconds since the lab was started. */
  get #at(): number {
    return rounded((performance.now() - this.#began) / 1000, 2)
  }
}
