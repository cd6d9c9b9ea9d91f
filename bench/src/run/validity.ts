import { machineCpu, treeCpuMs } from '../stack/process-stats.ts'

/** Beyond these a measurement says more about the generator or the neighbours than about the server. */
export const limits = {
  /** Share of the time in which the generator's event loop may be busy. */
  generatorUtilisation: 0.92,
  /**
   * How late the open-loop generator may send, at p99. On two cores it shares one with Postgres, whose turns delay it by
   * 4–5 ms beside `/all` and `/report`; that is part of both sides of a comparison.
   */
  generatorLagMs: 10,
  /** Share of the machine's time that the hypervisor may give to others. */
  steal: 0.03,
  /** Cores' worth of work that other programs may do. */
  otherCores: 0.15,
  /** Share of requests that may fail. */
  errors: 0.001,
} as const

/** What else went on while a measurement was taken. */
export interface Disturbance {
  /** Share of the machine's time given to other guests, 0–1. */
  readonly steal: number
  /** Cores' worth of work done by programs that are no part of the run. */
  readonly otherCores: number
}

/**
 * Begins to watch the machine; the returned function says what happened since. Zeros where the system cannot tell.
 *
 * @param containers first processes of containers that are part of the run: they are no children of this process
 */
export function watchMachine(cores: number, containers: readonly number[] = []): () => Disturbance {
  const ours = () =>
    process.platform === 'linux'
      ? [process.pid, ...containers].reduce((sum, root) => sum + treeCpuMs(root), 0)
      : 0
  const [before, oursBefore, began] = [machineCpu(), ours(), performance.now()]
  return () => {
    const [after, elapsedMs] = [machineCpu(), performance.now() - began]
    if (before === undefined || after === undefined || elapsedMs < 100) return { steal: 0, otherCores: 0 }
    const others = after.busyMs - before.busyMs - (ours() - oursBefore)
    return {
      steal: Math.max(0, after.stealMs - before.stealMs) / (elapsedMs * cores),
      otherCores: Math.max(0, others) / elapsedMs,
    }
  }
}

/** Why a measurement must not count, in words; empty when nothing speaks against it. */
export function objections(measured: {
  readonly disturbance: Disturbance
  readonly generatorUtilisation?: number
  readonly lagP99Ms?: number
  readonly errorShare?: number
}): { kind: 'noise' | 'generator' | 'errors'; message: string }[] {
  const { disturbance, generatorUtilisation = 0, lagP99Ms = 0, errorShare = 0 } = measured
  const found: { kind: 'noise' | 'generator' | 'errors'; message: string }[] = []
  if (disturbance.steal > limits.steal) {
    found.push({ kind: 'noise', message: `the hypervisor took ${percent(disturbance.steal)} of the time` })
  }
  if (disturbance.otherCores > limits.otherCores) {
    found.push({ kind: 'noise', message: `other programs used ${disturbance.otherCores.toFixed(2)} cores` })
  }
  if (generatorUtilisation > limits.generatorUtilisation) {
    found.push({
      kind: 'generator',
      message: `the load generator was busy for ${percent(generatorUtilisation)}`,
    })
  }
  if (lagP99Ms > limits.generatorLagMs) {
    found.push({ kind: 'generator', message: `the load generator sent ${lagP99Ms.toFixed(1)} ms late (p99)` })
  }
  if (errorShare > limits.errors) {
    found.push({ kind: 'errors', message: `${percent(errorShare)} of the requests failed` })
  }
  return found
}

function percent(share: number): string {
  return `${(share * 100).toFixed(1)} %`
}
