import { cpus } from 'node:os'
import { machineCpu, treeCpuMs } from './process-stats.ts'

/** CPU time that the rest of the machine took during a measurement. */
export interface Interference {
  /** Share of the machine's time that the hypervisor gave to other guests, 0–1. */
  readonly steal: number
  /** CPU use, in cores, of programs that do not belong to the run. */
  readonly otherCores: number
}

/**
 * Starts to watch the machine. The returned function reports the interference since then: zeros where the system has no
 * figures.
 *
 * @param containers first processes of the run's containers, which are not children of this process
 */
export function watchInterference(containers: readonly number[] = []): () => Interference {
  const ownCpuMs = () =>
    process.platform === 'linux'
      ? [process.pid, ...containers].reduce((sum, root) => sum + treeCpuMs(root), 0)
      : 0
  const [before, ownBefore, began] = [machineCpu(), ownCpuMs(), performance.now()]
  return () => {
    const [after, elapsedMs] = [machineCpu(), performance.now() - began]
    if (before === undefined || after === undefined || elapsedMs < 100) return { steal: 0, otherCores: 0 }
    const otherMs = after.busyMs - before.busyMs - (ownCpuMs() - ownBefore)
    return {
      steal: Math.max(0, after.stealMs - before.stealMs) / (elapsedMs * cpus().length),
      otherCores: Math.max(0, otherMs) / elapsedMs,
    }
  }
}
