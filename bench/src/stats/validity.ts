/** Beyond these limits a figure describes the generator rather than the server. */
export const VALIDITY_LIMITS = {
  /** Share of the time for which the generator's event loop may be busy. */
  generatorUtilisation: 0.92,
  /**
   * How late the open-loop generator may send, at p99. On two cores it shares one with Postgres, which delays it by
   * 4–5 ms during `/all` and `/report`, on both sides of a comparison.
   */
  generatorLagMs: 10,
  /** Share of requests that may fail. */
  errors: 0.001,
} as const

/**
 * Limits above which other programs are reported. Such a boot counts: both sides were loaded in turns of a fraction of a second, so
 * that the interval contains what other programs did.
 */
export const NOISE_LIMITS = {
  /** Share of the machine's time that the hypervisor gave to other guests. */
  steal: 0.03,
  /** CPU use of other programs, in cores. */
  otherCores: 0.15,
} as const

/** Reasons why a boot of a variant must not count; empty for a valid one. */
export function objectionsTo(measured: {
  readonly steady?: boolean
  readonly generatorUtilisation?: number
  readonly errorShare?: number
}): string[] {
  const { steady = true, generatorUtilisation = 0, errorShare = 0 } = measured
  const limits = VALIDITY_LIMITS
  const checks: [exceeded: boolean, message: string][] = [
    [!steady, 'the ratio to the tuned variant still changed after the warm-up'],
    [
      generatorUtilisation > limits.generatorUtilisation,
      `the load generator was busy for ${percent(generatorUtilisation)} of the time`,
    ],
    [errorShare > limits.errors, `${percent(errorShare)} of the requests failed`],
  ]
  return checks.flatMap(([exceeded, message]) => (exceeded ? [message] : []))
}

/** Why latencies must not count; undefined for valid ones. @param lagP99Ms how late the generator sent its requests, p99 */
export function latenessOf(lagP99Ms: number): string | undefined {
  if (lagP99Ms <= VALIDITY_LIMITS.generatorLagMs) return undefined
  return `the load generator sent ${lagP99Ms.toFixed(1)} ms late (p99)`
}

function percent(share: number): string {
  return `${(share * 100).toFixed(1)} %`
}
