import type { Board } from './board.ts'
import { CALLER_TIMEOUT_MS, type Copy, type PacedSlice } from './copy.ts'
import type { Fault } from './faults.ts'
import { cpuMicrosOf, failuresOf, latenciesOf, tiersOf } from './figures.ts'
import { type FaultName, type FaultReport, type OfBoth, SIDES, type SideName } from './protocol.ts'

interface FaultRunOptions {
  readonly copies: OfBoth<Copy>
  readonly board: Board
  readonly ratePerSecond: () => number
  readonly at: () => number
  readonly run: number
}

const TURN_MS = 1000
/** A fault that was forgotten ends by itself. */
const LIMIT_MS = 60_000

interface Callers {
  sent: number
  failures: Readonly<Record<string, number>>
  histograms: string[]
}

/**
 * The time of a fault. Both copies are loaded at the fixed rate at the same time, second after second: a closed loop would stop sending
 * while its callers wait, and would show less of the fault than independent callers see.
 */
export class FaultRun {
  readonly #name: FaultName
  readonly #fault: Fault
  readonly #options: FaultRunOptions
  readonly #callers: Record<SideName, Callers> = {
    shipped: { sent: 0, failures: {}, histograms: [] },
    yours: { sent: 0, failures: {}, histograms: [] },
  }
  #began = performance.now()

  constructor(name: FaultName, fault: Fault, options: FaultRunOptions) {
    this.#name = name
    this.#fault = fault
    this.#options = options
  }

  async begin(): Promise<void> {
    await this.#fault.begin()
    this.#began = performance.now()
    this.#options.board.update({
      phase: 'fault',
      message: `${this.#fault.message}. Callers give up after ${CALLER_TIMEOUT_MS / 1000} s`,
      faultReport: this.#report(false),
    })
  }

  get isOverdue(): boolean {
    return performance.now() - this.#began > LIMIT_MS
  }

  async turn(): Promise<void> {
    const { copies, board, at, run, ratePerSecond } = this.#options
    const [shipped, yours] = await Promise.all([
      copies.shipped.paced(ratePerSecond(), TURN_MS),
      copies.yours.paced(ratePerSecond(), TURN_MS),
    ])
    await this.#fault.afterTurn()
    const slices = { shipped, yours }
    for (const side of SIDES) this.#count(side, slices[side])
    board.add({
      at: at(),
      fault: this.#name,
      run,
      figures: { shipped: figuresOf(shipped), yours: figuresOf(yours) },
    })
    board.update({ faultReport: this.#report(false) })
  }

  #count(side: SideName, { sent, failures, histogram }: PacedSlice): void {
    const callers = this.#callers[side]
    callers.sent += sent
    callers.failures = failuresOf([{ failures: callers.failures }, { failures }])
    callers.histograms.push(histogram)
  }

  async end(): Promise<void> {
    await this.#fault.end()
    this.#options.board.update({ faultReport: this.#report(true) })
  }

  #report(ended: boolean): FaultReport {
    const of = (side: SideName) => {
      const { sent, failures, histograms } = this.#callers[side]
      return { sent, failures, ...latenciesOf(histograms) }
    }
    const seconds = Math.round((performance.now() - this.#began) / 1000)
    return { name: this.#name, seconds, ended, callers: { shipped: of('shipped'), yours: of('yours') } }
  }
}

/** The counters of the databases cannot be read during a fault. */
function figuresOf(slice: PacedSlice) {
  return {
    rate: null,
    ...latenciesOf([slice.histogram]),
    cpuMicros: cpuMicrosOf([], [slice]),
    tiers: tiersOf([slice]),
    statements: null,
    commands: null,
    sent: slice.sent,
    failures: slice.failures,
  }
}
