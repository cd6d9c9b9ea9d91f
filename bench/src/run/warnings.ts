import type { Results } from '../report/schema.ts'
import { limits } from './validity.ts'

/** What a reader of these results must know before believing them. */
export function warningsOf(results: Results, allowNoise: boolean): string[] {
  const boots = results.scenarios.flatMap((scenario) =>
    scenario.variants.flatMap((variant) => variant.boots.map((boot) => ({ scenario, variant, boot }))),
  )
  const warnings: string[] = []
  if (results.fingerprint.placement.startsWith('not pinned')) {
    warnings.push(`server and generator shared their cores (${results.fingerprint.placement})`)
  }
  // Of a deployment neither server is known.
  const ownStack = results.fingerprint.postgres !== undefined
  if (ownStack && results.fingerprint.redis === undefined)
    warnings.push('no Redis: tier 2 was off, its scenarios say nothing')
  if (allowNoise) warnings.push('boots counted although other programs may have been busy (--allow-noise)')
  const dropped = boots.filter(({ boot }) => boot.objections.length > 0)
  if (dropped.length > 0) {
    const reasons = [...new Set(dropped.map(({ boot }) => boot.objections[0] ?? ''))].slice(0, 3)
    warnings.push(`${dropped.length} of ${boots.length} boots do not count: ${reasons.join('; ')}`)
  }
  const near = boots.filter(({ boot }) => boot.generatorUtilisation > limits.generatorUtilisation * 0.9)
  const names = [...new Set(near.map(({ scenario, variant }) => `${scenario.name} (${variant.name})`))]
  if (names.length > 0) {
    warnings.push(
      `the load generator was near its own limit in ${names.join(', ')}: the server may be faster than shown`,
    )
  }
  const unsteady = boots.filter(({ boot }) => !boot.warmup.steady).length
  if (unsteady > boots.length / 4)
    warnings.push(`${unsteady} of ${boots.length} boots were measured before they were steady`)
  return warnings
}
