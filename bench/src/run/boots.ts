import type { Bench } from './bench.ts'
import type { Progress } from './progress.ts'
import type { Scenario } from './scenario.ts'
import { attemptBoot, type ScenarioBoot } from './scenario-boot.ts'
import { prepareSidecars } from './sidecars.ts'
import { everything, withoutRedis } from './without-redis.ts'

interface RunOptions {
  readonly scenarios: readonly Scenario[]
  readonly progress: Progress
  /** On the clock of `performance.now()`: no boot of all scenarios starts that is expected to end later. */
  readonly deadlineMs: number
  readonly minimumBoots: number
  readonly maximumBoots: number
}

/** All boots of a scenario. */
export interface MeasuredScenario {
  readonly scenario: Scenario
  readonly boots: readonly ScenarioBoot[]
  /** Why later boots are missing, a line for each. */
  readonly lost?: readonly string[]
  /** Why no figure of it counts. */
  readonly refused: string | undefined
  /** What this machine lacks for it. */
  readonly notRun?: string | undefined
}

interface ScenarioState {
  readonly scenario: Scenario
  readonly boots: ScenarioBoot[]
  readonly lost: string[]
  refused: string | undefined
}

/**
 * Measures the scenarios boot after boot: each boot starts all variants of each scenario afresh and gives one figure to every
 * comparison. After an interruption the numbers of boots differ by one at most.
 */
export async function runScenarios(
  bench: Bench,
  options: RunOptions,
): Promise<{ measured: MeasuredScenario[]; complete: boolean }> {
  const { progress } = options
  const {
    scenarios: possible,
    skipped,
    notes,
  } = bench.stack.redis === undefined ? withoutRedis(options.scenarios) : everything(options.scenarios)
  const withoutImage = await prepareSidecars(possible, (step) => progress.step(step), bench.signal)
  const notRun = new Map([...skipped, ...withoutImage])
  for (const note of notes) progress.note(note)
  for (const [name, reason] of notRun) progress.note(`not run: ${name}: ${reason}`)
  const scenarios = possible.filter(({ name }) => !notRun.has(name))
  const states = scenarios.map(
    (scenario): ScenarioState => ({ scenario, boots: [], lost: [], refused: undefined }),
  )
  let complete = true
  try {
    await runBoots(bench, states, options)
  } catch (error) {
    if (!bench.signal.aborted) throw error
    complete = false
  }
  progress.done()
  const measured = options.scenarios.map(
    (scenario): MeasuredScenario => ({
      scenario,
      boots: [],
      refused: undefined,
      ...states.find((state) => state.scenario.name === scenario.name),
      notRun: notRun.get(scenario.name),
    }),
  )
  return { measured, complete }
}

async function runBoots(
  bench: Bench,
  states: readonly ScenarioState[],
  { progress, deadlineMs, minimumBoots, maximumBoots }: RunOptions,
): Promise<void> {
  let longestMs = 0
  for (let boot = 0; boot < maximumBoots; boot++) {
    const began = performance.now()
    if (boot >= minimumBoots && began + longestMs > deadlineMs) break
    const open = states.filter(({ refused }) => refused === undefined)
    if (open.length === 0) break
    const endMs = Math.max(deadlineMs, began + longestMs * (minimumBoots - boot))
    for (const state of open) {
      progress.step(`boot ${boot + 1}  ${state.scenario.name}`, endMs - performance.now())
      const measured = await attemptBoot(bench, state.scenario, boot, rateOf(state))
      if (typeof measured !== 'string') state.boots.push(measured)
      // A later boot that fails is left out: the earlier ones were proven.
      else if (state.boots.length > 0) {
        state.lost.push(`boot ${boot + 1}: ${measured}`)
        progress.note(`not counted: ${state.scenario.name}: ${measured}`)
      } else {
        state.refused = measured
        progress.note(`refused: ${state.scenario.name}: ${measured}`)
      }
    }
    longestMs = Math.max(longestMs, performance.now() - began)
  }
}

/** The rate of the open loop is the same in all boots. */
function rateOf({ scenario, boots }: ScenarioState): number | undefined {
  return scenario.open?.ratePerSecond ?? boots[0]?.ratePerSecond
}
