import type { Results } from '../report/schema.ts'
import { NOISE_LIMITS, VALIDITY_LIMITS } from '../stats/validity.ts'

/** Facts that limit the meaning of these results. */
export function warningsOf({ scenarios, fingerprint }: Results): string[] {
  const boots = scenarios.flatMap((scenario) =>
    scenario.variants.flatMap((variant) =>
      variant.boots.map((boot) => ({ name: `${scenario.name} (${variant.name})`, boot })),
    ),
  )
  const invalid = boots.filter(({ boot }) => boot.objections.length > 0)
  const reasons = [...new Set(invalid.map(({ boot }) => boot.objections[0]))].slice(0, 3)
  const saturated = boots.filter(
    ({ boot }) => boot.generatorUtilisation > VALIDITY_LIMITS.generatorUtilisation * 0.9,
  )
  const saturatedNames = [...new Set(saturated.map(({ name }) => name))]
  const machine = scenarios.flatMap((scenario) => scenario.boots)
  const disturbed = machine.filter(
    ({ steal, otherCores }) => steal > NOISE_LIMITS.steal || otherCores > NOISE_LIMITS.otherCores,
  )
  // The versions of a deployment's servers are unknown.
  const ownStack = fingerprint.postgres !== undefined
  const checks: [applies: boolean, warning: string][] = [
    [
      fingerprint.placement.startsWith('not pinned'),
      `server and generator shared their cores (${fingerprint.placement})`,
    ],
    [
      ownStack && fingerprint.redis === undefined,
      'no Redis: tier 2 was off, and its scenarios show no effect',
    ],
    [invalid.length > 0, `${invalid.length} of ${boots.length} boots do not count: ${reasons.join('; ')}`],
    [
      saturatedNames.length > 0,
      `the load generator was near its own limit in ${saturatedNames.join(', ')}: the server may be faster than shown`,
    ],
    [
      disturbed.length > 0,
      `other programs or other guests used the processor in ${disturbed.length} of ${machine.length} boots: intervals are wider than on an idle machine`,
    ],
  ]
  return checks.flatMap(([applies, warning]) => (applies ? [warning] : []))
}
