/**
 * The guide's pools. Its 20 + 10 overflow is `connections: 30` here, since postgres.js knows one limit; connections open
 * when they are needed and close by age (and idleness), so fewer than that are open outside of peaks.
 */
export const presets = {
  'reference-api': {
    connections: 30,
    timeoutMs: 30_000,
    idleSeconds: undefined,
    lifetimeSeconds: 3600,
    // Nothing but a replica's or an operator's long reads runs here.
    cancellableConnections: 5,
  },
  'parallel-api': {
    connections: 25,
    timeoutMs: 30_000,
    idleSeconds: 60,
    lifetimeSeconds: 300,
    // `/all` takes three at once and `/report` one a part: this is the pool that carries the service.
    cancellableConnections: 25,
  },
} as const

/** The role's `statement_timeout`, which `migrate()` sets: a statement of a call takes milliseconds. */
export const roleLimitMs = 10_000

export type PresetName = keyof typeof presets
