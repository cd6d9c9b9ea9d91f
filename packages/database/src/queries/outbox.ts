import { asc, sql } from 'drizzle-orm'
import { named } from '../rows.ts'
import { cacheOutbox, cacheRegistrations } from '../schema.ts'
import { statement } from '../statement.ts'

const { placeholder } = sql

export type OutboxRow = { id: number; key: string; cache: string }

/**
 * Cache keys to invalidate, stored in the transaction that makes them stale: a row for each registered cache, and none
 * without one. In a transaction above `read committed` its snapshot could be older than a registration, whose cache would
 * keep what it holds.
 */
export const outboxInsert = statement<{ keys: string[] }, OutboxRow>(
  'outbox_insert',
  () => sql`insert into ${cacheOutbox} (key, cache)
    select key, ${cacheRegistrations.id} from unnest(${placeholder('keys')}::text[]) as key cross join ${cacheRegistrations}
    returning id, key, cache`,
)

/**
 * Up to `limit` entries of a cache that are at least `minAgeMs` old, oldest first. Without a lock: two processes may deliver
 * an entry twice, which an invalidation allows, but none may miss one because another is busy with it. Who reads tier 2
 * again after this must have seen all that was committed before it (`skip locked` would hide some).
 */
export const outboxTake = statement<{ cache: string; limit: number; minAgeMs: number }, OutboxRow>(
  'outbox_take',
  (db) =>
    db
      .select({ id: cacheOutbox.id, key: cacheOutbox.key, cache: named<string>(cacheOutbox.cache, 'cache') })
      .from(cacheOutbox)
      .where(
        // The column is rounded to a millisecond, maybe upwards: what is committed is never too young for an age of 0.
        sql`${cacheOutbox.cache} = ${placeholder('cache')} and
          ${cacheOutbox.createdAt} <= now() + interval '1 ms' - ${placeholder('minAgeMs')}::int * interval '1 ms'`,
      )
      .orderBy(asc(cacheOutbox.id))
      .limit(placeholder('limit')),
)

export const outboxRemove = statement<{ ids: number[] }, never>('outbox_remove', (db) =>
  db.delete(cacheOutbox).where(sql`${cacheOutbox.id} = any(${placeholder('ids')}::bigint[])`),
)

/** How much is undelivered to a cache, and for how long the oldest has waited (null when there is none). */
export const outboxStatus = statement<{ cache: string }, { count: number; oldestAgeSeconds: number | null }>(
  'outbox_status',
  (db) =>
    db
      .select({
        count: named<number>(sql`count(*)`, 'count'),
        oldestAgeSeconds: named<number | null>(
          sql`extract(epoch from clock_timestamp() - min(${cacheOutbox.createdAt}))::float8`,
          'oldestAgeSeconds',
        ),
      })
      .from(cacheOutbox)
      .where(sql`${cacheOutbox.cache} = ${placeholder('cache')}`),
)
