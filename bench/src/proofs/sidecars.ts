import { describe, type Proof, prove, share } from './proof.ts'

/**
 * Statements go through PgBouncer, or not. PgBouncer counts pipelined statements as one transaction, but counts each use of
 * a statement that it has prepared.
 *
 * @param how `prepared`: as statements that PgBouncer keeps prepared; `unprepared`; `direct`: without PgBouncer
 */
export function throughPgbouncer(how: 'prepared' | 'unprepared' | 'direct'): Proof {
  return ({ sidecar, load }, { databaseUrl }) => {
    const { transactions, parsed = 0, bound = 0 } = sidecar
    if (how === 'direct') {
      prove(transactions === undefined, 'statements go through PgBouncer')
      return `direct connection to Postgres at ${new URL(databaseUrl).host}`
    }
    const fact = `SHOW STATS, a request: ${(transactions ?? 0).toFixed(2)} transactions, ${parsed.toFixed(2)} statements prepared, ${bound.toFixed(2)} uses of prepared statements`
    prove((transactions ?? 0) > 0.01, fact)
    // Requests may share a statement.
    prove(how === 'prepared' ? bound > 0.9 * load.statements && parsed < 0.2 : bound < 0.1, fact)
    return fact
  }
}

/**
 * Requests go through nginx, or not, and nginx reuses its connections to the service, or opens one for each request: counted
 * by its stub_status and by the kernel, under load.
 */
export function throughNginx(how: 'kept alive' | 'one each' | 'direct'): Proof {
  return ({ sidecar, server }) => {
    const { requests, connections } = sidecar
    const proxied = share(server, 'nginx')
    if (how === 'direct') {
      prove(proxied === 0 && requests === undefined, `replies come from ${describe(server)}`)
      return 'no nginx in front'
    }
    prove(proxied === 1, `replies come from ${describe(server)}`)
    const counted = `nginx counted ${(requests ?? 0).toFixed(2)} requests a request`
    prove((requests ?? 0) > 0.9, counted)
    if (connections === undefined) return `${counted}; this system does not count opened connections`
    const fact = `${counted}, ${connections.toFixed(3)} connections were opened`
    prove(how === 'kept alive' ? connections < 0.2 : connections > 0.9, fact)
    return fact
  }
}

/** The collector receives spans. */
export function exportsTraces(): Proof {
  return ({ sidecar: { exports = 0 } }) => {
    prove(exports > 0, 'the collector received no spans under load')
    return 'the collector received spans under load'
  }
}
