import { delay } from '@reference/async'
import type { Database } from './database.ts'
import { queries } from './queries/index.ts'

const POLL_MS = 50
const PURGE_BATCH = 5_000
/** Rows without a cache are for processes of the previous release; the registered caches have copies of their own. */
const UNNAMED_MAX_AGE_MS = 3_600_000

/**
 * Cache keys with a pending invalidation, for each cache, and the registrations of the caches. A write inserts the rows with
 * `queries.outboxInsert` in its own transaction.
 */
export function createOutboxStore({ primary }: Database) {
  return {
    /** The oldest rows of a cache that are at least `minAgeMs` old. */
    take: (cache: string, limit: number, minAgeMs: number) =>
      primary.run(queries.outboxTake, { cache, limit, minAgeMs }),
    remove: (ids: readonly (string | number)[]) =>
      primary.run(queries.outboxRemove, { ids: ids.map(Number) }),
    status: async (cache: string) => {
      const row = await primary.first(queries.outboxStatus, { cache })
      return { count: row?.count ?? 0, oldestSeconds: row?.oldestAgeSeconds ?? 0 }
    },

    /**
     * Registers a new cache. Resolves when every transaction that may have written without rows for it has ended: later loads
     * include the changes of these transactions, and every later write inserts rows for the cache.
     *
     * These are the transactions that hold the lock of an insert into the outbox after the registration has committed: a
     * transaction that takes the lock later takes its snapshot later still. All open transactions (`pg_snapshot_xmin`) would be
     * correct too, but include those of other databases: an export there would keep the cache off for hours.
     */
    async register(cache: string, keepMs: number, signal: AbortSignal): Promise<void> {
      await primary.run(queries.cacheRegister, { cache, keepMs })
      const holders = async () => (await primary.run(queries.cacheWriters, {})).map(({ holder }) => holder)
      let earlier = new Set(await holders())
      while (earlier.size > 0) {
        await delay(POLL_MS, { signal })
        await primary.run(queries.cacheTouch, { cache, keepMs })
        earlier = earlier.intersection(new Set(await holders()))
      }
    },

    /** Keeps a cache registered for `keepMs` from now on. `false`: it is not registered, and writes insert no rows for it. */
    touch: async (cache: string, keepMs: number) =>
      (await primary.first(queries.cacheTouch, { cache, keepMs }))?.registered === true,

    /** Removes registrations that have expired, with their rows. */
    async expire(signal: AbortSignal): Promise<void> {
      await primary.run(queries.cacheExpire, {})
      const purge = () =>
        primary.run(queries.outboxPurge, { limit: PURGE_BATCH, maxAgeMs: UNNAMED_MAX_AGE_MS })
      while (!signal.aborted && (await purge()).length === PURGE_BATCH);
    },
  }
}
