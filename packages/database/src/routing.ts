import { databaseUnavailableError, isDatabaseUnavailable, isRetryableConflict } from './errors.ts'
import type { Pool } from './pool.ts'

/**
 * Reads from `replica` while it answers and from `primary` otherwise. After a failure the replica is left alone for
 * `pauseMs`, and then one read at a time finds out whether it is back: a replica that hangs would otherwise hold up all
 * of them each time.
 *
 * A transaction moves over before its work has begun, or when it lost a conflict, as work may run again after one. A
 * snapshot moves whatever the reason while its work has not begun: its parts may meet different servers behind one replica
 * address, or one whose version exports none.
 */
export function withFallback(replica: Pool, primary: Pool, pauseMs = 1000): Pool {
  let resumeAt = 0
  let isAway = false
  let isProbed = false
  return {
    run: (...args) => route((pool) => pool.run(...args)),
    first: (...args) => route((pool) => pool.first(...args)),
    bytes: (...args) => route((pool) => pool.bytes(...args)),
    sql: (...args) => route((pool) => pool.sql(...args)),
    transaction: (work, options) => routeOnce((pool, begun) => pool.transaction(begun(work), options)),
    snapshot: (connections, work, options) =>
      routeOnce(
        (pool, begun) => pool.snapshot(connections, begun(work), options),
        () => options?.signal?.aborted !== true,
      ),
    // The replica's own health, whatever the reads do.
    ping: (signal) => replica.ping(signal),
    stats: () => replica.stats(),
    async close() {
      await Promise.all([replica.close(), primary.close()])
    },
  }

  async function route<Result>(
    send: (pool: Pool) => Promise<Result>,
    hasBegun = () => false,
    isOthersFault = isReplicasFault,
  ): Promise<Result> {
    if (isAway && (isProbed || performance.now() < resumeAt)) return send(primary)
    const probes = isAway
    if (probes) isProbed = true
    try {
      const result = await send(replica)
      if (probes) isAway = false
      return result
    } catch (error) {
      if (isDatabaseUnavailable(error)) {
        isAway = true
        resumeAt = performance.now() + pauseMs
      }
      if ((!hasBegun() || isRetryableConflict(error)) && isOthersFault(error)) return send(primary)
      throw isRetryableConflict(error) ? databaseUnavailableError(error) : error
    } finally {
      if (probes) isProbed = false
    }
  }

  function routeOnce<Result>(
    send: (pool: Pool, begun: <W extends (...args: never[]) => unknown>(work: W) => W) => Promise<Result>,
    isOthersFault?: (error: unknown) => boolean,
  ): Promise<Result> {
    let hasBegun = false
    const begun = <W extends (...args: never[]) => unknown>(work: W): W =>
      ((...args: never[]) => {
        hasBegun = true
        return work(...args)
      }) as W
    return route(
      (pool) => send(pool, begun),
      () => hasBegun,
      isOthersFault,
    )
  }
}

// A replica also breaks off reads that stand in the way of what it replays (40001): the primary does not.
function isReplicasFault(error: unknown): boolean {
  return isDatabaseUnavailable(error) || isRetryableConflict(error)
}
