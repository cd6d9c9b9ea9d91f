import { asc, sql } from 'drizzle-orm'
import { named } from '../rows.ts'
import { cacheOutbox } from '../schema.ts'
import { statement } from '../statement.ts'

const { placeholder } = sql

/** Cache keys to invalidate, stored in the transaction that makes them stale. */
export const outboxInsert = statement<{ keys: string[] }, { id: number; key: string }>(
  'outbox_insert',
  () => sql`insert into ${cacheOutbox} (key) select unnest(${placeholder('keys')}::text[]) returning id, key`,
)

/**
 * Up to `limit` entries that are at least `minAgeMs` old, oldest first. Without a lock: two processes may deliver an entry
 * twice, which an invalidation allows, but none may miss one because another is busy with it. Who reads tier 2 again
 * after this must have seen all that was committed before it (`skip locked` would hide some).
 */
export const outboxTake = statement<{ limit: number; minAgeMs: number }, { id: number; key: string }>(
  'outbox_take',
  (db) =>
    db
      .select({ id: cacheOutbox.id, key: cacheOutbox.key })
      .from(cacheOutbox)
      .where(
        // The column is rounded to a millisecond, maybe upwards: what is committed is never too young for an age of 0.
        sql`${cacheOutbox.createdAt} <= now() + interval '1 ms' - ${placeholder('minAgeMs')}::int * interval '1 ms'`,
      )
      .orderBy(asc(cacheOutbox.id))
      .limit(placeholder('limit')),
)

export const outboxRemove = statement<{ ids: number[] }, never>('outbox_remove', (db) =>
  db.delete(cacheOutbox).where(sql`${cacheOutbox.id} = any(${placeholder('ids')}::bigint[])`),
)

/** How much is undelivered, and for how long the oldest has waited (null when there is none). */
export const outboxStatus = statement<object, { count: number; oldestAgeSeconds: number | null }>(
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
      .from(cacheOutbox),
)
