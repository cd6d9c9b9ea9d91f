import type { ObservedService, Vitals } from './vitals.ts'

/** How much more a process may hold after the requests than before, when all connections are closed. */
const MOST_GROWTH = {
  /** Caches that were not full, code that was compiled, figures of metrics. */
  heapBytes: 24e6,
  externalBytes: 24e6,
  /** The system gets freed memory back late, and in part. */
  rssBytes: 160e6,
  /** Connections of pools that were opened meanwhile. */
  sockets: 40,
  files: 4,
}

/** Where a process holds more than it may; empty when it has returned to what it was. */
export function growthFaults(before: Vitals, after: Vitals): string[] {
  return Object.entries(MOST_GROWTH).flatMap(([name, most]) => {
    const key = name as keyof typeof MOST_GROWTH
    const grown = after[key] - before[key]
    return grown <= most ? [] : [`${name} grew by ${grown}, from ${before[key]} to ${after[key]}`]
  })
}

/** The vitals of a process once its clients have left; a connection is closed some turns after its client has gone. */
export async function settledVitals(service: ObservedService): Promise<Vitals> {
  for (let last = await service.vitals(); ; ) {
    const next = await service.vitals()
    if (next.sockets >= last.sockets) return next
    last = next
  }
}
