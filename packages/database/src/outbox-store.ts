import { setTimeout as sleep } from 'node:timers/promises'
import type { Database } from './database.ts'
import { queries } from './queries/index.ts'

const LOOK_EVERY_MS = 50
const PURGE_BATCH = 5_000
/** Rows without a cache are for processes of a release before; their copies for the registered caches are rows of their own. */
const UNNAMED_FOR_MS = 3_600_000

/**
 * The keys whose invalidation is still to be delivered, for each cache, and the registrations of the caches. Writes put
 * rows there with `queries.outboxInsert`, in their own transaction.
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
     * Registers a new cache. Resolves when every transaction that may have written without naming it has ended: what is
     * loaded from then on includes their changes, and every later write makes rows for the cache.
     *
     * Those are the transactions that hold the lock of an insert into the outbox after the registration has committed: one
     * that takes the lock later takes its snapshot later still. All open transactions (`pg_snapshot_xmin`) would do too,
     * but include those of other databases: an export there would keep the cache off for hours.
     */
    async register(cache: string, keepMs: number, signal: AbortSignal): Promise<void> {
      await primary.run(queries.cacheRegister, { cache, keepMs })
      const holders = async () => (await primary.run(queries.cacheWriters, {})).map(({ holder }) => holder)
      let earlier = new Set(await holders())
      while (earlier.size > 0) {
        await sleep(LOOK_EVERY_MS, undefined, { signal })
        await primary.run(queries.cacheTouch, { cache, keepMs })
        earlier = earlier.intersection(new Set(await holders()))
      }
    },

    /** Keeps a cache registered for `keepMs` from now on. False: it is not registered, and writes do not name it. */
    touch: async (cache: string, keepMs: number) =>
      (await primary.first(queries.cacheTouch, { cache, keepMs }))?.registered === true,

    /** Removes registrations that have expired, with their rows. */
    async expire(signal: AbortSignal): Promise<void> {
      await primary.run(queries.cacheExpire, {})
      const purge = () => primary.run(queries.outboxPurge, { limit: PURGE_BATCH, maxAgeMs: UNNAMED_FOR_MS })
      while (!signal.aborted && (await purge()).length === PURGE_BATCH);
    },
  }
}
