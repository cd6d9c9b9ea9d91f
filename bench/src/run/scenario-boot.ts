import { abortable } from '@reference/async'
import { measureDuet } from '../duet/measure.ts'
import type { OpenSide } from '../duet/sides.ts'
import type { LatencySlice } from '../duet/slice.ts'
import { BenchError } from '../errors.ts'
import type { BootResult, ScenarioResult } from '../report/schema.ts'
import type { DatabaseCosts } from '../stack/counters.ts'
import { watchInterference } from '../stack/interference.ts'
import { residentBytesOf } from '../stack/process-stats.ts'
import { rounded } from '../stats/rounded.ts'
import type { Bench } from './bench.ts'
import { latencySlicesOf, NO_SLICES, toBootResult } from './boot-result.ts'
import { type ObservedVariant, observeVariant } from './observe.ts'
import { type RunningVariant, startVariant } from './running-variant.ts'
import { openLoopRate, type Scenario } from './scenario.ts'
import { variantSide } from './variant-side.ts'

/** One variant in one boot. */
export interface MeasuredBoot {
  readonly boot: BootResult
  readonly proof: readonly string[]
  readonly costs: DatabaseCosts
}

/** All variants of a scenario, alive at once. */
export interface ScenarioBoot {
  /** By the name of the variant. */
  readonly variants: ReadonlyMap<string, MeasuredBoot>
  /** What else the machine did. */
  readonly machine: ScenarioResult['boots'][number]
  /** Of the open loop. */
  readonly ratePerSecond: number
}

interface Started {
  readonly running: RunningVariant
  readonly side: OpenSide
}

/**
 * Measures a boot. A failed boot is measured once more, because a proof also fails when other programs disturb a cache.
 *
 * @param rate of the open loop; default: by the throughput of the slowest variant
 * @returns the boot, or why this scenario cannot be measured: unproven twice, or a service does not start
 */
export async function attemptBoot(
  bench: Bench,
  scenario: Scenario,
  boot: number,
  rate: number | undefined,
): Promise<ScenarioBoot | string> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await measureBoot(bench, scenario, boot, rate)
    } catch (error) {
      bench.signal.throwIfAborted()
      if (!(error instanceof BenchError)) throw error
      if (attempt === 2) return error.message
    }
  }
}

/** Starts fresh processes for all variants of a scenario, measures them beside each other and stops them. */
async function measureBoot(
  bench: Bench,
  scenario: Scenario,
  boot: number,
  rate: number | undefined,
): Promise<ScenarioBoot> {
  const [at, began] = [new Date().toISOString(), performance.now()]
  const { load, durations, signal } = bench
  // Stops in reverse order, so that no proxy loses its upstream under load.
  await using processes = new AsyncDisposableStack()
  processes.defer(() => load.reapOnExit({}))
  const started = await startAll(bench, scenario, processes)
  const sidecars = started.flatMap(({ running }) => running.sidecars.map(({ pid }) => pid))
  const watched = watchInterference(sidecars)
  const sides = started.map(({ side }) => side)
  const duet = await abortable(
    measureDuet(sides, durations, { boot, fixedRate: (slowest) => rate ?? openLoopRate(slowest) }),
    signal,
  )
  const { steal, otherCores } = watched()
  const variants = new Map<string, MeasuredBoot>()
  for (const [index, { running, side }] of started.entries()) {
    const rssBytes = residentBytesOf(running.server.pid) ?? 0
    const latencies = latencySlicesOf(duet.sides[index] ?? NO_SLICES)
    const { proof, ...observed } = await observeNamed(bench, scenario, { running, side, latencies })
    const figures = { isPaced: scenario.pacedPerSecond !== undefined, rssBytes, ...observed }
    const measured = { boot: toBootResult(boot, duet, index, figures), proof, costs: observed.costs }
    variants.set(running.variant.name, measured)
  }
  const seconds = rounded((performance.now() - began) / 1000, 1)
  return {
    variants,
    ratePerSecond: duet.pacedPerSecond,
    machine: { boot, at, seconds, steal: rounded(steal, 4), otherCores: rounded(otherCores, 3) },
  }
}

/** Starts the variants at the same time; returns them in the order of the scenario. */
async function startAll(
  bench: Bench,
  scenario: Scenario,
  processes: AsyncDisposableStack,
): Promise<Started[]> {
  const variants = [scenario.tuned, ...scenario.variants]
  // Before any service is connected to the database that is copied.
  for (const { database } of variants) if (database) await bench.stack.copy(database.name, database.change)
  const pids: number[] = []
  const containers: string[] = []
  return settled(
    variants.map(async (variant): Promise<Started> => {
      const running = await named(variant.name, () => startVariant(bench, scenario, variant, processes))
      pids.push(running.server.pid, ...running.otherPids)
      containers.push(...running.sidecars.map(({ container }) => container))
      bench.load.reapOnExit({ pids, containers })
      const side = variantSide(bench, scenario, running)
      processes.defer(() => side.close())
      return { running, side }
    }),
  )
}

/** Waits for all, so that none is still starting when the first error ends the boot. */
async function settled<T>(promises: readonly Promise<T>[]): Promise<T[]> {
  await Promise.allSettled(promises)
  return Promise.all(promises)
}

function observeNamed(
  bench: Bench,
  scenario: Scenario,
  of: Started & { readonly latencies: readonly LatencySlice[] },
): Promise<ObservedVariant> {
  return named(of.running.variant.name, () => abortable(observeVariant(bench, scenario, of), bench.signal))
}

/** Adds the name of the variant to an error of the benchmark. */
async function named<T>(variant: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work()
  } catch (error) {
    if (error instanceof BenchError)
      throw new BenchError(error.code, `${variant}: ${error.message}`, { cause: error })
    throw error
  }
}
