import type { Proof } from '../src/proofs/proof.ts'
import type { Variant } from '../src/run/scenario.ts'
import { proofOf } from '../src/run/switches.ts'

/** The service as shipped. */
export function tuned(proofs: readonly Proof[], more: Partial<Variant> = {}): Variant {
  return { name: 'tuned', label: 'as shipped', environment: {}, proofs, ...more }
}

/**
 * The service with some settings changed; each is proven in the way that fits it, besides what the scenario adds.
 *
 * @param label what the tuned side has and this one lacks
 */
export function withSettings(
  environment: Readonly<Record<string, string>>,
  label: string,
  proofs: readonly Proof[] = [],
  more: Partial<Variant> = {},
): Variant {
  const settings = Object.entries(environment)
  return {
    name: settings.map(([name, value]) => `${name}=${value}`).join(' '),
    label,
    environment,
    proofs: [...settings.map(([name, value]) => proofOf(name, value)), ...proofs],
    ...more,
  }
}
