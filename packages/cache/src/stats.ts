/** What happened in one namespace, counted in plain numbers; metrics.ts reads them when it is scraped. */
export type NamespaceStats = {
  hitsL1: number
  hitsL2: number
  misses: number
  /** Answered by the loader alone, since neither tier could be used. */
  off: number
  staleServed: number
  loads: number
  loadFailures: number
  leaseWaits: number
  refusedFills: number
  invalidations: number
  /** Tier 1 had it, but its link was not proved to be alive. */
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
