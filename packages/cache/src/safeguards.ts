/** The mechanisms that keep the cache coherent. All are on, except in tests that show what one of them prevents. */
export interface Safeguards {
  leases: boolean
  tracking: boolean
  proofOfLife: boolean
  outbox: boolean
  writeProof: boolean
  serverIdentity: boolean
}

export type Safeguard = keyof Safeguards

export const ALL_SAFEGUARDS: Readonly<Safeguards> = {
  leases: true,
  tracking: true,
  proofOfLife: true,
  outbox: true,
  writeProof: true,
  serverIdentity: true,
}
