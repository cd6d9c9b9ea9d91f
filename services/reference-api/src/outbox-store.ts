import type { OutboxStore } from '@reference/cache'
import { type Database, queries } from '@reference/database'

/** The cache's outbox, in the table that the writes fill. */
export function createOutboxStore({ primary }: Database): OutboxStore {
  return {
    take: (limit, minAgeMs) => primary.run(queries.outboxTake, { limit, minAgeMs }),
    remove: (ids) => primary.run(queries.outboxRemove, { ids: ids.map(Number) }),
    depth: async () => (await primary.first(queries.outboxStatus, {}))?.count ?? 0,
  }
}
