import type { Proof } from '../src/proofs/proof.ts'
import { proofOfSwitch } from '../src/proofs/switch.ts'
import type { Variant } from '../src/run/scenario.ts'

/** For scenarios about the work of a call, several of which send identical calls at the same time. */
export const NOT_SHARED = { SHARED_READS: 'off' }

/** The service as shipped. */
export function tuned(proofs: readonly Proof[], more: Partial<Variant> = {}): Variant {
  return { name: 'tuned', label: 'as shipped', environment: {}, proofs, ...more }
}

/**
 * The service with some settings changed, and a proof of each besides those of the scenario.
 *
 * @param label the tuning that this variant lacks
 * @param more.environment settings that all variants of the scenario share
 */
export function withSettings(
  settings: Readonly<Record<string, string>>,
  label: string,
  proofs: readonly Proof[] = [],
  more: Partial<Variant> = {},
): Variant {
  const changes = Object.entries(settings)
  return {
    name: changes.map(([name, value]) => `${name}=${value}`).join(' '),
    label,
    proofs: [...changes.map(([name, value]) => proofOfSwitch(name, value)), ...proofs],
    ...more,
    environment: { ...more.environment, ...settings },
  }
}
