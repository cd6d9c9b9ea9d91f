import type { PoolSizes } from '@reference/database'

/**
 * The pools of each service. Connections are opened when they are needed, and closed by age and idleness, so fewer are open outside
 * of peaks. A pool of 20 with an overflow of 10 is `connections: 30` here, because postgres.js has one limit.
 */
export const POOLS = {
  'reference-api': {
    connections: 30,
    timeoutMs: 30_000,
    idleSeconds: undefined,
    lifetimeSeconds: 3600,
    // Only an operator's long reads, and those of a replica, run here.
    cancellableConnections: 5,
  },
  'parallel-api': {
    connections: 25,
    timeoutMs: 30_000,
    idleSeconds: 60,
    lifetimeSeconds: 300,
    // `/all` takes three at once and `/report` one per lane: this pool carries the service.
    cancellableConnections: 25,
  },
} as const satisfies Record<string, PoolSizes>
