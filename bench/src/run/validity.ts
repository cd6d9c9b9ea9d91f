import type { Interference } from '../stack/interference.ts'

/** Beyond these limits a figure describes the generator or other programs rather than the server. */
export const VALIDITY_LIMITS = {
  /** Share of the time for which the generator's event loop may be busy. */
  generatorUtilisation: 0.92,
  /**
   * How late the open-loop generator may send, at p99. On two cores it shares one with Postgres, which delays it by
   * 4–5 ms during `/all` and `/report`, on both sides of a comparison.
   */
  generatorLagMs: 10,
  /** Share of the machine's time that the hypervisor may give to other guests. */
  steal: 0.03,
  /** CPU use of other programs, in cores. */
  otherCores: 0.15,
  /** Share of requests that may fail. */
  errors: 0.001,
} as const

/** A reason against a measurement. */
interface Objection {
  readonly kind: 'noise' | 'generator' | 'errors'
  readonly message: string
}

/** Reasons why a measurement must not count; empty for a valid one. */
export function objectionsTo(measured: {
  readonly interference: Interference
  readonly generatorUtilisation?: number
  readonly lagP99Ms?: number
  readonly errorShare?: number
}): Objection[] {
  const { interference, generatorUtilisation = 0, lagP99Ms = 0, errorShare = 0 } = measured
  const { steal, otherCores } = interference
  const limits = VALIDITY_LIMITS
  const checks: [exceeded: boolean, kind: Objection['kind'], message: string][] = [
    [steal > limits.steal, 'noise', `the hypervisor took ${percent(steal)} of the time`],
    [otherCores > limits.otherCores, 'noise', `other programs used ${otherCores.toFixed(2)} cores`],
    [
      generatorUtilisation > limits.generatorUtilisation,
      'generator',
      `the load generator was busy for ${percent(generatorUtilisation)} of the time`,
    ],
    [
      lagP99Ms > limits.generatorLagMs,
      'generator',
      `the load generator sent ${lagP99Ms.toFixed(1)} ms late (p99)`,
    ],
    [errorShare > limits.errors, 'errors', `${percent(errorShare)} of the requests failed`],
  ]
  return checks.flatMap(([exceeded, kind, message]) => (exceeded ? [{ kind, message }] : []))
}

function percent(share: number): string {
  return `${(share * 100).toFixed(1)} %`
}
