import { times } from '../report/format.ts'
import type { Bench } from '../run/bench.ts'
import type { MeasuredScenario } from '../run/boots.ts'
import type { Progress } from '../run/progress.ts'
import type { Scenario } from '../run/scenario.ts'
import { attemptBoot } from '../run/scenario-boot.ts'
import type { Effect } from '../stats/effect.ts'
import { MINIMUM_BOOTS } from '../stats/verdict.ts'
import { type ComparisonLimits, compareBoots } from './tune-comparison.ts'
import {
  candidates,
  changeScenario,
  initialSettings,
  type Settings,
  type TuneArguments,
} from './tune-space.ts'

/** One change that was tried, and its result. */
export interface Trial {
  readonly name: string
  readonly before: string
  readonly after: string
  readonly measured: MeasuredScenario
  readonly effect: Effect
  readonly kept: boolean
}

export interface Findings {
  readonly trials: readonly Trial[]
  /** Changes that did not fit into the budget. */
  readonly skipped: readonly string[]
  /** The final settings against the initial ones, on fresh boots; undefined when nothing was kept. */
  readonly confirmation: Trial | undefined
  readonly complete: boolean
}

interface Change {
  readonly name: string
  readonly before: string
  readonly after: string
  readonly settings: Settings
}

interface SearchOptions {
  readonly args: TuneArguments
  readonly scenario: Scenario
  readonly deadlineMs: number
  readonly progress: Progress
}

const MAXIMUM_BOOTS = 5

/** The guide's loop: changes one setting, measures it against the current settings, keeps it or rolls it back. */
export class TuneSearch {
  readonly #bench: Bench
  readonly #options: SearchOptions
  readonly #scenario: Scenario
  readonly #trials: Trial[] = []
  readonly #skipped: string[] = []
  #current: Settings
  /** Of the open loop; undefined for throughput. */
  #rate: number | undefined
  /** Duration of the last boot of both sides. */
  #bootMs = 0

  constructor(bench: Bench, options: SearchOptions) {
    this.#bench = bench
    this.#options = options
    this.#scenario = { ...options.scenario, primary: options.args.goal }
    this.#current = initialSettings(options.args)
  }

  async run(): Promise<Findings> {
    const [trials, skipped] = [this.#trials, this.#skipped]
    try {
      await this.#measurePilot()
      for (const { name, values, tuned } of candidates(this.#options.args))
        for (const after of values) await this.#tryValue(name, this.#current[name] ?? tuned, after)
      const confirmation = trials.some(({ kept }) => kept) ? await this.#confirm() : undefined
      return { trials, skipped, confirmation, complete: true }
    } catch (error) {
      if (!this.#bench.signal.aborted) throw error
      return { trials, skipped, confirmation: undefined, complete: false }
    } finally {
      this.#options.progress.done()
    }
  }

  /** One boot with the initial settings, for the rate of the open loop and the duration of a boot. */
  async #measurePilot(): Promise<void> {
    const { goal, rate } = this.#options.args
    const began = performance.now()
    const scenario = {
      ...changeScenario(this.#scenario, 'pilot', this.#current, this.#current),
      variants: [],
    }
    const pilot = await attemptBoot(this.#bench, scenario, 0, rate)
    // A service that does not start with the initial settings is reported by the first trial.
    if (typeof pilot === 'string') return
    if (goal === 'p99') this.#rate = pilot.ratePerSecond
    this.#bootMs = 2 * (performance.now() - began)
  }

  async #tryValue(name: string, before: string, after: string): Promise<void> {
    if (after === before) return
    const { progress, deadlineMs } = this.#options
    // Whatever the budget, one change is tried.
    const first = this.#trials.length === 0
    const confirmationMs = MINIMUM_BOOTS * this.#bootMs
    if (!first && performance.now() + MINIMUM_BOOTS * this.#bootMs + confirmationMs > deadlineMs) {
      this.#skipped.push(`${name}=${after}`)
      return
    }
    progress.step(`${name}=${after} instead of ${before}`, deadlineMs - performance.now())
    const settings = { ...this.#current, [name]: after }
    const trial = await this.#measure(
      { name, before, after, settings },
      this.#current,
      first
        ? { maximumBoots: MINIMUM_BOOTS, untilMs: Infinity }
        : { maximumBoots: MAXIMUM_BOOTS, untilMs: deadlineMs - confirmationMs },
    )
    this.#trials.push(trial)
    if (trial.kept) this.#current = settings
    progress.note(outcomeOf(trial))
  }

  async #measure(
    { name, before, after, settings }: Change,
    base: Settings,
    limits: Pick<ComparisonLimits, 'maximumBoots' | 'untilMs'>,
  ): Promise<Trial> {
    const began = performance.now()
    const scenario = changeScenario(this.#scenario, `${name}=${after}`, settings, base)
    const { measured, effect } = await compareBoots(this.#bench, scenario, { ...limits, rate: this.#rate })
    this.#bootMs = (performance.now() - began) / Math.max(1, measured.boots.length)
    const kept = measured.refused === undefined && effect.boots >= MINIMUM_BOOTS && effect.low > 1
    return { name, before, after, measured, effect, kept }
  }

  async #confirm(): Promise<Trial> {
    const { args, progress, deadlineMs } = this.#options
    progress.step('confirming on fresh boots', deadlineMs - performance.now())
    const initial = initialSettings(args)
    const scenario = changeScenario(this.#scenario, 'confirmed', this.#current, initial)
    const { measured, effect } = await compareBoots(this.#bench, scenario, {
      rate: this.#rate,
      maximumBoots: MINIMUM_BOOTS,
      untilMs: Infinity,
      allBoots: true,
    })
    const kept = measured.refused === undefined && effect.low > 1
    return { name: 'all changes', before: 'initial', after: 'final', measured, effect, kept }
  }
}

function outcomeOf({ name, after, measured, effect, kept }: Trial): string {
  if (measured.refused !== undefined) return `${name}=${after}: refused: ${measured.refused}`
  return `${name}=${after}: ${times(effect.ratio)} over ${effect.boots} boots: ${kept ? 'kept' : 'rolled back'}`
}
