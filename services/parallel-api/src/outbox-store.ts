import type { OutboxStore } from '@reference/cache'
import { type Database, queries } from '@reference/database'

/**
 * Invalidations that a writer has committed and not delivered. This service writes nothing, but it reads tier 2: after
 * an outage of Redis it must not do so before they are all through, and delivers what it finds.
 */
export function createOutboxStore({ primary }: Database): OutboxStore {
  return {
    take: (limit, minAgeMs) => primary.run(queries.outboxTake, { limit, minAgeMs }),
    remove: (ids) => primary.run(queries.outboxRemove, { ids: ids.map(Number) }),
  }
}
