import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { startLoad } from '../load/load.ts'
import type { World } from '../load/request.ts'
import type { FingerprintResult } from '../report/schema.ts'
import { allowedCores, pinSelf, planPlacement, preferGenerator } from '../stack/placement.ts'
import { startBenchStack } from '../stack/stack.ts'
import { abortable } from './abortable.ts'
import type { Bench } from './boot.ts'
import { takeFingerprint } from './fingerprint.ts'
import type { Durations } from './plan.ts'
import type { Progress } from './progress.ts'

/**
 * Gives `use` everything that measuring takes: servers with rows, a load generator, a place for logs. All of it is
 * stopped when `use` ends, however it ends.
 */
export async function withBench<T>(
  options: { world: World; durations: Durations; progress: Progress; signal: AbortSignal },
  use: (bench: Bench, fingerprint: FingerprintResult) => Promise<T>,
): Promise<T> {
  const { world, durations, progress, signal } = options
  const placement = planPlacement(allowedCores())
  // Whatever is started from here on inherits it; servers are moved to their own cores as they start.
  if (placement.pinned) pinSelf(placement.rest)
  const folder = mkdtempSync(join(tmpdir(), 'bench-'))
  const load = startLoad()
  const starting = startBenchStack({ world, signal, say: (step) => progress.step(step) })
  try {
    const stack = await abortable(starting, signal)
    const preference = preferGenerator(load.pid, stack.pids)
    const fingerprint = takeFingerprint({
      placement: `${placement.note}; ${preference}`,
      versions: stack.versions,
    })
    return await use({ stack, load, placement, folder, durations, signal }, fingerprint)
  } finally {
    await load.close()
    await starting.then(
      (stack) => stack.stop(),
      () => {},
    )
    rmSync(folder, { recursive: true, force: true })
  }
}
