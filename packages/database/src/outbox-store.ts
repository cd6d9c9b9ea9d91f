import type { Database } from './database.ts'
import { queries } from './queries/index.ts'

/**
 * The keys whose invalidation is still to be delivered, as the cache wants to be handed them. Writes put them there with
 * `queries.outboxInsert`, in their own transaction.
 */
export function createOutboxStore({ primary }: Database) {
  return {
    /** The oldest rows that are at least `minAgeMs` old. */
    take: (limit: number, minAgeMs: number) => primary.run(queries.outboxTake, { limit, minAgeMs }),
    remove: (ids: readonly (string | number)[]) =>
      primary.run(queries.outboxRemove, { ids: ids.map(Number) }),
    status: async () => {
      const row = await primary.first(queries.outboxStatus, {})
      return { count: row?.count ?? 0, oldestSeconds: row?.oldestAgeSeconds ?? 0 }
    },
  }
}
