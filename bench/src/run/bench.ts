import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { abortable } from '@reference/async'
import { buildBundles } from '@reference/local-stack'
import type { DuetDurations } from '../duet/measure.ts'
import { type Load, startLoad } from '../load/load.ts'
import type { FingerprintResult } from '../report/schema.ts'
import type { Dataset } from '../stack/dataset.ts'
import { allowedCores, type Placement, pinSelf, planPlacement, preferGenerator } from '../stack/placement.ts'
import { type Build, bundleFolder } from '../stack/server.ts'
import { type BenchStack, startBenchStack } from '../stack/stack.ts'
import { takeFingerprint } from './fingerprint.ts'
import type { Progress } from './progress.ts'

/** The servers and settings that all boots of a run share. */
export interface Bench {
  readonly stack: BenchStack
  readonly load: Load
  readonly placement: Placement
  /** The services as `pnpm build` bundles them, and logs. */
  readonly folder: string
  readonly build: Build
  readonly durations: DuetDurations
  readonly signal: AbortSignal
}

interface BenchOptions {
  readonly dataset: Dataset
  /** Which files of the services are started. Default: bundles, which are written first. */
  readonly build?: Build
  readonly durations: DuetDurations
  readonly progress: Progress
  readonly signal: AbortSignal
}

/** Starts the stack and the load generator, calls `use`, and stops everything again, also after an error. */
export async function withBench<T>(
  { dataset, build = 'dist', durations, progress, signal }: BenchOptions,
  use: (bench: Bench, fingerprint: FingerprintResult) => Promise<T>,
): Promise<T> {
  const placement = planPlacement(allowedCores())
  // All processes started from here on inherit the cores; servers move to their own cores as they start.
  if (placement.pinned) pinSelf(placement.rest)
  const folder = mkdtempSync(join(tmpdir(), 'bench-'))
  const load = startLoad()
  const starting = startBenchStack({ dataset, signal, say: (step) => progress.step(step) })
  const building =
    build === 'dist'
      ? buildBundles({ folder: bundleFolder(folder), programs: ['main', 'telemetry'], signal })
      : Promise.resolve()
  building.catch(() => {})
  try {
    const stack = await abortable(starting, signal)
    // What production runs, from the sources as they are now; a bundle starts in a third of the time.
    await abortable(building, signal)
    const preference = preferGenerator(load.pid, stack.pids)
    const fingerprint = takeFingerprint({
      placement: `${placement.note}; ${preference}`,
      versions: stack.versions,
    })
    return await use({ stack, load, placement, folder, build, durations, signal }, fingerprint)
  } finally {
    await load.close()
    await starting.then(
      (stack) => stack.stop(),
      () => {},
    )
    // It writes into the folder.
    await building.catch(() => {})
    rmSync(folder, { recursive: true, force: true })
  }
}
