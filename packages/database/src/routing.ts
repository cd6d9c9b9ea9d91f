import { isDatabaseUnavailable, isRetryableConflict } from './errors.ts'
import type { Pool } from './pool.ts'

/**
 * Reads from `replica` while it answers and from `primary` otherwise. After a failure the replica is left alone for
 * `pauseMs`, so that not every read of an outage waits for a connection that cannot be made.
 *
 * A transaction moves over only before its work has begun: the work runs once.
 */
export function withFallback(replica: Pool, primary: Pool, pauseMs = 1000): Pool {
  let resumeAt = 0
  return {
    run: (...args) => route((pool) => pool.run(...args)),
    first: (...args) => route((pool) => pool.first(...args)),
    bytes: (...args) => route((pool) => pool.bytes(...args)),
    sql: (...args) => route((pool) => pool.sql(...args)),
    transaction: (work, options) => routeOnce((pool, begun) => pool.transaction(begun(work), options)),
    snapshot: (connections, work, options) =>
      routeOnce((pool, begun) => pool.snapshot(connections, begun(work), options)),
    // The replica's own health, whatever the reads do.
    ping: (signal) => replica.ping(signal),
    stats: () => replica.stats(),
    async close() {
      await Promise.all([replica.close(), primary.close()])
    },
  }

  async function route<Result>(send: (pool: Pool) => Promise<Result>, mayMove = () => true): Promise<Result> {
    if (performance.now() < resumeAt) return send(primary)
    try {
      return await send(replica)
    } catch (error) {
      // A replica also breaks off reads that stand in the way of what it replays (40001): the primary does not.
      if (!mayMove() || !(isDatabaseUnavailable(error) || isRetryableConflict(error))) throw error
      if (isDatabaseUnavailable(error)) resumeAt = performance.now() + pauseMs
      return send(primary)
    }
  }

  function routeOnce<Result>(
    send: (pool: Pool, begun: <W extends (...args: never[]) => unknown>(work: W) => W) => Promise<Result>,
  ): Promise<Result> {
    let hasBegun = false
    const begun = <W extends (...args: never[]) => unknown>(work: W): W =>
      ((...args: never[]) => {
        hasBegun = true
        return work(...args)
      }) as W
    return route(
      (pool) => send(pool, begun),
      () => !hasBegun,
    )
  }
}
