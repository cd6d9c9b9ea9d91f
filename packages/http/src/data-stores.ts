import type { Dependency } from './health.ts'

type Check = Dependency['check']

/**
 * The rows of `/ready` and `/services` for what a service keeps its data in, with the guide's thresholds. Without the primary there is
 * nothing that a service can do; a replica or Redis that is away degrades it.
 */
export function dataStores(checks: {
  postgres: Check
  replica?: Check | undefined
  redis?: Check | undefined
}): Dependency[] {
  const { postgres, replica, redis } = checks
  const rows: Dependency[] = [{ name: 'postgres', required: true, thresholdMs: 1000, check: postgres }]
  if (replica) rows.push({ name: 'postgres-replica', required: false, thresholdMs: 1000, check: replica })
  if (redis) rows.push({ name: 'redis', required: false, thresholdMs: 500, check: redis })
  return rows
}
