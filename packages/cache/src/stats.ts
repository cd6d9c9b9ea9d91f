/** Counts of one namespace, as plain numbers; metrics.ts reads them at a scrape. */
export interface NamespaceStats {
  hitsL1: number
  hitsL2: number
  misses: number
  /** Reads answered by the loader alone, since neither tier could be used. */
  off: number
  staleServed: number
  loads: number
  loadFailures: number
  leaseWaits: number
  refusedFills: number
  invalidations: number
  /** Tier-1 hits that were not used because their tracking link was not proven to be alive. */
  bypassed: number
  undecodable: number
  entries: number
  bytes: number
}

export const emptyStats = (): NamespaceStats => ({
  hitsL1: 0,
  hitsL2: 0,
  misses: 0,
  off: 0,
  staleServed: 0,
  loads: 0,
  loadFailures: 0,
  leaseWaits: 0,
  refusedFills: 0,
  invalidations: 0,
  bypassed: 0,
  undecodable: 0,
  entries: 0,
  bytes: 0,
})
