import { abortable } from '@reference/async'
import { BenchError, UnprovenError } from '../errors.ts'
import type { Bench } from './bench.ts'
import type { MeasuredBoot } from './boot-result.ts'
import { BootMeasurement } from './measurement.ts'
import { type BootPlan, startBoot } from './start-boot.ts'

/**
 * Measures a boot. An unproven boot is measured once more, because a proof also fails when other programs disturb a cache.
 *
 * @returns the boot, or why this variant cannot be measured: unproven twice, or the service does not start
 */
export async function attemptBoot(bench: Bench, plan: BootPlan): Promise<MeasuredBoot | string> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await measureBoot(bench, plan)
    } catch (error) {
      bench.signal.throwIfAborted()
      if (!(error instanceof BenchError)) throw error
      if (!(error instanceof UnprovenError) || attempt === 2) return error.message
    }
  }
}

/**
 * Starts a fresh process, measures it and stops it.
 *
 * @throws UnprovenError when a proof of the variant fails
 */
export async function measureBoot(bench: Bench, plan: BootPlan): Promise<MeasuredBoot> {
  // Stops in reverse order, so that no proxy loses its upstream under load.
  await using processes = new AsyncDisposableStack()
  processes.defer(() => bench.load.reapOnExit({}))
  const boot = await startBoot(bench, plan, processes)
  return await abortable(new BootMeasurement(bench, plan, boot).run(), bench.signal)
}
