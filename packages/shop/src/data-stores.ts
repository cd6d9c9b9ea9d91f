import type { Dependency } from '@reference/http'

type Check = Dependency['check']

/**
 * The rows of `/ready` and `/services` for the data stores, each with the response time above which it counts as slow. A service is
 * unavailable without its primary database, and degraded without a replica or Redis.
 */
export function dataStores(checks: {
  readonly postgres: Check
  readonly replica?: Check | undefined
  readonly redis?: Check | undefined
}): Dependency[] {
  const { postgres, replica, redis } = checks
  const rows: Dependency[] = [{ name: 'postgres', required: true, thresholdMs: 1000, check: postgres }]
  if (replica) rows.push({ name: 'postgres-replica', required: false, thresholdMs: 1000, check: replica })
  if (redis) rows.push({ name: 'redis', required: false, thresholdMs: 500, check: redis })
  return rows
}
