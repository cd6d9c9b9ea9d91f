/** Requests that replicas have answered since they started. */
export interface Requests {
  total: number
  failed: number
}

const COUNT = /^http_request_duration_seconds_count\{(?<labels>[^}]*)\} (?<value>\S+)/gm
/** Routes that the platform polls every few seconds. They would hide the failures of a service with few callers. */
const OF_THE_PLATFORM = /(^|,)route="\/(health|ready|metrics|services)"/

/** Adds up the requests in `/metrics` of some replicas, without the calls of the platform. 5xx count as failed. */
export function requestsOf(pages: readonly string[]): Requests {
  const sum: Requests = { total: 0, failed: 0 }
  for (const page of pages) {
    for (const { groups } of page.matchAll(COUNT)) {
      const labels = groups?.labels ?? ''
      if (OF_THE_PLATFORM.test(labels)) continue
      const value = Number(groups?.value)
      sum.total += value
      if (/(^|,)status="5/.test(labels)) sum.failed += value
    }
  }
  return sum
}

export function since(before: Requests, after: Requests): Requests {
  return { total: after.total - before.total, failed: after.failed - before.failed }
}

/**
 * Whether a release fails more often than the previous one beside it: its share of 5xx is larger by more than 0.01.
 * An unavailable database makes both fail, and is no reason to roll back. Fewer than five failures do not count, unless they
 * are half of all requests.
 */
export function isWorse(fresh: Requests, old: Requests): boolean {
  if (fresh.failed === 0) return false
  if (fresh.failed < 5 && fresh.failed < fresh.total / 2) return false
  return share(fresh) > share(old) + 0.01
}

function share({ failed, total }: Requests): number {
  return total === 0 ? 0 : failed / total
}
