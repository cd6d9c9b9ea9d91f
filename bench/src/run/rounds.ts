import { BenchError, UnprovenError } from '../errors.ts'
import { prepareCompanions } from '../stack/sidecar.ts'
import { type Bench, type MeasuredBoot, measureBoot } from './boot.ts'
import { anotherRound, orderOf, roundMs } from './plan.ts'
import type { Progress } from './progress.ts'
import type { Scenario, Variant } from './scenario.ts'

export interface RunOptions {
  readonly scenarios: readonly Scenario[]
  readonly progress: Progress
  /** On the clock of `performance.now()`: no round is begun that is not expected to end by then. */
  readonly deadlineMs: number
  readonly leastRounds: number
  readonly mostRounds: number
  /** Boots count even when other programs were busy. */
  readonly allowNoise: boolean
}

/** All boots of a scenario, by the name of the variant. */
export interface Measured {
  readonly scenario: Scenario
  readonly boots: ReadonlyMap<string, readonly MeasuredBoot[]>
  /** Why nothing of it counts. */
  readonly refused: string | undefined
  /** What this machine lacks for it. */
  readonly notRun?: string | undefined
}

interface Tracked {
  readonly scenario: Scenario
  readonly boots: Map<string, MeasuredBoot[]>
  rate: number | undefined
  refused: string | undefined
}

/** Time for boots that are taken again: on a machine that is always busy it would double the run and help nothing. */
interface Retakes {
  allowed(): boolean
  spend(ms: number): void
}

function createRetakes(budgetMs: number): Retakes {
  let left = budgetMs
  return {
    allowed: () => left > 0,
    spend: (ms) => {
      left -= ms
    },
  }
}

/** Most that the open loop is sent at: beyond, its own timing would be what is measured. */
const mostRate = 2000

/**
 * Measures the scenarios in rounds: each round boots every variant of every scenario once, in the opposite order of
 * the round before. Each round gives one pair to every comparison; when the run is interrupted, all have as many.
 */
export async function runScenarios(
  bench: Bench,
  options: RunOptions,
): Promise<{ measured: Measured[]; complete: boolean }> {
  const { progress, deadlineMs, leastRounds, mostRounds } = options
  const notRun = await prepareCompanions(options.scenarios, (step) => progress.step(step), bench.signal)
  for (const [name, reason] of notRun) progress.note(`not run: ${name}: ${reason}`)
  const scenarios = options.scenarios.filter(({ name }) => !notRun.has(name))
  const records = scenarios.map(
    (scenario): Tracked => ({
      scenario,
      boots: new Map(),
      rate: scenario.open?.ratePerSecond,
      refused: undefined,
    }),
  )
  let lastMs = roundMs(scenarios, bench.durations)
  const retakes = createRetakes(Math.max(0, deadlineMs - performance.now()) / 10)
  let complete = true
  try {
    for (let round = 0; ; round++) {
      const began = performance.now()
      if (!anotherRound(deadlineMs - began, lastMs, round, leastRounds, mostRounds)) break
      const endMs = Math.max(deadlineMs, began + lastMs * Math.max(1, leastRounds - round))
      for (const record of records) await runRound(bench, options, record, round, endMs, retakes)
      lastMs = performance.now() - began
      // The first round settles the rates of the open loops, so the next ones take longer.
      if (round === 0)
        lastMs += records.filter(({ scenario }) => !scenario.open?.beside).length * bench.durations.openMs
      if (records.every(({ refused }) => refused !== undefined)) break
    }
  } catch (error) {
    if (!bench.signal.aborted) throw error
    complete = false
  }
  progress.done()
  const measured = options.scenarios.map((scenario): Measured => {
    const record = records.find((candidate) => candidate.scenario === scenario)
    return {
      scenario,
      boots: record?.boots ?? new Map(),
      refused: record?.refused,
      notRun: notRun.get(scenario.name),
    }
  })
  return { measured, complete }
}

async function runRound(
  bench: Bench,
  { progress, allowNoise }: RunOptions,
  record: Tracked,
  round: number,
  endMs: number,
  retakes: Retakes,
): Promise<void> {
  const { scenario, boots } = record
  for (const variant of orderOf(scenario, round)) {
    if (record.refused !== undefined) return
    progress.step(`round ${round + 1}  ${scenario.name}: ${variant.name}`, endMs - performance.now())
    const boot = await measured(bench, record, variant, round, allowNoise, retakes)
    if (boot !== undefined) boots.set(variant.name, [...(boots.get(variant.name) ?? []), boot])
    else progress.note(`refused: ${scenario.name}: ${record.refused}`)
  }
  record.rate ??= commonRate(record)
}

/**
 * A boot, taken again once when other programs disturbed it or a proof failed (a disturbed cache answers `off`, too);
 * undefined, and a reason in the record, when it failed twice.
 */
async function measured(
  bench: Bench,
  record: Tracked,
  variant: Variant,
  round: number,
  allowNoise: boolean,
  retakes: Retakes,
): Promise<MeasuredBoot | undefined> {
  const { scenario, rate } = record
  for (let attempt = 1; ; attempt++) {
    const began = performance.now()
    try {
      const taken = await measureBoot(bench, { scenario, variant, round, rate })
      if (attempt === 2) retakes.spend(performance.now() - began)
      if (taken.noisy && allowNoise) return { ...taken, boot: { ...taken.boot, objections: [] } }
      if (!taken.noisy || attempt === 2 || !retakes.allowed()) return taken
    } catch (error) {
      bench.signal.throwIfAborted()
      if (!(error instanceof BenchError)) throw error
      if (error instanceof UnprovenError && attempt === 1) continue
      record.refused = `${variant.name}: ${error.message}`
      return undefined
    }
  }
}

/** Half of what the slowest variant can do: below saturation for each, and the same for all. */
function commonRate({ boots }: Tracked): number | undefined {
  const rates = [...boots.values()].flatMap((of) => of.map(({ boot }) => boot.throughput))
  if (rates.length === 0) return undefined
  return Math.max(1, Math.min(mostRate, Math.round(Math.min(...rates) / 2)))
}
