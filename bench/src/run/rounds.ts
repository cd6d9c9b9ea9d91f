import type { Bench } from './bench.ts'
import { attemptBoot } from './boot.ts'
import { type MeasuredBoot, withoutObjections } from './boot-result.ts'
import { orderOf, roundMs } from './plan.ts'
import type { Progress } from './progress.ts'
import { openLoopRate, type Scenario, type Variant } from './scenario.ts'
import { prepareSidecars } from './sidecars.ts'

interface RunOptions {
  readonly scenarios: readonly Scenario[]
  readonly progress: Progress
  /** On the clock of `performance.now()`: no round starts that is expected to end later. */
  readonly deadlineMs: number
  readonly minimumRounds: number
  readonly maximumRounds: number
  /** Boots count even when other programs were busy. */
  readonly allowNoise: boolean
}

/** All boots of a scenario, by the name of the variant. */
export interface MeasuredScenario {
  readonly scenario: Scenario
  readonly boots: ReadonlyMap<string, readonly MeasuredBoot[]>
  /** Why no figure of it counts. */
  readonly refused: string | undefined
  /** What this machine lacks for it. */
  readonly notRun?: string | undefined
}

interface ScenarioState {
  readonly scenario: Scenario
  readonly boots: Map<string, MeasuredBoot[]>
  /** Of the open loop; undefined until the first round has shown the throughput. */
  rate: number | undefined
  refused: string | undefined
}

/**
 * Measures the scenarios in rounds. Each round boots every variant of every scenario once, in the opposite order of the
 * previous round, and gives one pair to every comparison. After an interruption all comparisons have equally many pairs.
 */
export async function runScenarios(
  bench: Bench,
  options: RunOptions,
): Promise<{ measured: MeasuredScenario[]; complete: boolean }> {
  const { progress } = options
  const notRun = await prepareSidecars(options.scenarios, (step) => progress.step(step), bench.signal)
  for (const [name, reason] of notRun) progress.note(`not run: ${name}: ${reason}`)
  const scenarios = options.scenarios.filter(({ name }) => !notRun.has(name))
  const rounds = new Rounds(bench, { ...options, scenarios })
  let complete = true
  try {
    await rounds.run()
  } catch (error) {
    if (!bench.signal.aborted) throw error
    complete = false
  }
  progress.done()
  const measured = options.scenarios.map(
    (scenario): MeasuredScenario => ({
      boots: new Map(),
      refused: undefined,
      ...rounds.states.find((state) => state.scenario === scenario),
      scenario,
      notRun: notRun.get(scenario.name),
    }),
  )
  return { measured, complete }
}

class Rounds {
  readonly states: readonly ScenarioState[]
  readonly #bench: Bench
  readonly #options: RunOptions
  #expectedRoundMs: number
  /** Time for repeating noisy boots: on a machine that is always busy repeating all would only double the run. */
  #retryMs: number

  constructor(bench: Bench, options: RunOptions) {
    this.#bench = bench
    this.#options = options
    this.#expectedRoundMs = roundMs(options.scenarios, bench.durations)
    this.#retryMs = (options.deadlineMs - performance.now()) / 10
    this.states = options.scenarios.map((scenario) => ({
      scenario,
      boots: new Map(),
      rate: scenario.open?.ratePerSecond,
      refused: undefined,
    }))
  }

  async run(): Promise<void> {
    const { deadlineMs, minimumRounds } = this.#options
    for (let round = 0; this.#mayStart(round); round++) {
      const began = performance.now()
      const endMs = Math.max(deadlineMs, began + this.#expectedRoundMs * Math.max(1, minimumRounds - round))
      for (const state of this.states) await this.#runRound(state, round, endMs)
      this.#expectedRoundMs = performance.now() - began
      // The first round determines the rates of the open loops, which make the next rounds longer.
      if (round === 0) {
        const opening = this.states.filter(({ scenario }) => !scenario.open?.beside)
        this.#expectedRoundMs += opening.length * this.#bench.durations.openMs
      }
    }
  }

  #mayStart(round: number): boolean {
    const { deadlineMs, minimumRounds, maximumRounds } = this.#options
    if (round > 0 && this.states.every(({ refused }) => refused !== undefined)) return false
    if (round < minimumRounds) return true
    return round < maximumRounds && performance.now() + this.#expectedRoundMs <= deadlineMs
  }

  async #runRound(state: ScenarioState, round: number, endMs: number): Promise<void> {
    const { progress } = this.#options
    const { scenario, boots } = state
    for (const variant of orderOf(scenario, round)) {
      if (state.refused !== undefined) return
      progress.step(`round ${round + 1}  ${scenario.name}: ${variant.name}`, endMs - performance.now())
      const boot = await this.#measure(state, variant, round)
      if (typeof boot === 'string') {
        state.refused = `${variant.name}: ${boot}`
        progress.note(`refused: ${scenario.name}: ${state.refused}`)
      } else boots.set(variant.name, [...(boots.get(variant.name) ?? []), boot])
    }
    state.rate ??= commonRate(state)
  }

  /** Measures a boot, and once more when other programs disturbed it and there is time left for it. */
  async #measure(
    { scenario, rate }: ScenarioState,
    variant: Variant,
    round: number,
  ): Promise<MeasuredBoot | string> {
    const plan = { scenario, variant, round, rate }
    const boot = await attemptBoot(this.#bench, plan)
    if (typeof boot === 'string' || !boot.noisy) return boot
    if (this.#options.allowNoise) return withoutObjections(boot)
    if (this.#retryMs <= 0) return boot
    const began = performance.now()
    const repeated = await attemptBoot(this.#bench, plan)
    this.#retryMs -= performance.now() - began
    return repeated
  }
}

/** An open-loop rate below the saturation of the slowest variant, the same for all. */
function commonRate({ boots }: ScenarioState): number | undefined {
  const rates = [...boots.values()].flatMap((of) => of.map(({ boot }) => boot.throughput))
  return rates.length === 0 ? undefined : openLoopRate(Math.min(...rates))
}
