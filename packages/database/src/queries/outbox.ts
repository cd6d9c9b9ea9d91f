import { asc, sql } from 'drizzle-orm'
import { named } from '../columns.ts'
import { cacheOutbox, cacheRegistrations } from '../schema.ts'
import { statement } from '../statement.ts'

const { placeholder } = sql

export interface OutboxRow {
  readonly id: number
  readonly key: string
  readonly cache: string
}

/**
 * Cache keys to invalidate, stored in the transaction that makes them stale: one row per registered cache. In a transaction above
 * `read committed` the snapshot could be older than a registration, and that cache would keep its stale entry.
 */
export const outboxInsert = statement<{ keys: string[] }, OutboxRow>(
  'outbox_insert',
  () => sql`insert into ${cacheOutbox} (key, cache)
    select key, ${cacheRegistrations.id} from unnest(${placeholder('keys')}::text[]) as key cross join ${cacheRegistrations}
    returning id, key, cache`,
  { sample: { keys: ['c:user:1:{42}'] } },
)

/**
 * Up to `limit` entries of a cache that are at least `minAgeMs` old, oldest first. Without a lock: two processes may deliver
 * the same entry, which an invalidation allows, but no process may miss an entry that another one is delivering. A reader that
 * uses tier 2 again after this must have seen every entry that was committed before (`skip locked` would hide some).
 */
export const outboxTake = statement<{ cache: string; limit: number; minAgeMs: number }, OutboxRow>(
  'outbox_take',
  (db) =>
    db
      .select({ id: cacheOutbox.id, key: cacheOutbox.key, cache: named<string>(cacheOutbox.cache, 'cache') })
      .from(cacheOutbox)
      .where(
        // The column is rounded to a millisecond, perhaps upwards: a committed row is never too young for an age of 0.
        sql`${cacheOutbox.cache} = ${placeholder('cache')} and
          ${cacheOutbox.createdAt} <= now() + interval '1 ms' - ${placeholder('minAgeMs')}::int * interval '1 ms'`,
      )
      .orderBy(asc(cacheOutbox.id))
      .limit(placeholder('limit')),
  { sample: { cache: 'explain', limit: 100, minAgeMs: 0 } },
)

export const outboxRemove = statement<{ ids: number[] }, never>(
  'outbox_remove',
  (db) => db.delete(cacheOutbox).where(sql`${cacheOutbox.id} = any(${placeholder('ids')}::bigint[])`),
  { sample: { ids: [1, 2, 3] } },
)

/** The number of undelivered entries of a cache, and the age of the oldest one (null when there is none). */
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
  { sample: { cache: 'explain' } },
)
