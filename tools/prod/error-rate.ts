/** Requests that replicas have answered since they started. */
export interface Requests {
  total: number
  failed: number
}

const COUNT = /^http_request_duration_seconds_count\{(?<labels>[^}]*)\} (?<value>\S+)/gm

/** Adds up what `/metrics` of some replicas says. 5xx count as failed. */
export function requestsOf(pages: readonly string[]): Requests {
  const sum: Requests = { total: 0, failed: 0 }
  for (const page of pages) {
    for (const { groups } of page.matchAll(COUNT)) {
      const value = Number(groups?.value)
      sum.total += value
      if (/(^|,)status(_code)?="5/.test(groups?.labels ?? '')) sum.failed += value
    }
  }
  return sum
}

export function failuresOf(before: Requests, after: Requests): Requests {
  return { total: after.total - before.total, failed: after.failed - before.failed }
}
