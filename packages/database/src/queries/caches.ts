import { sql } from 'drizzle-orm'
import { cacheOutbox, cacheRegistrations } from '../schema.ts'
import { statement } from '../statement.ts'

const { placeholder } = sql

const SAMPLE = { cache: 'explain', keepMs: 3_600_000 }

/** Every write whose `outboxInsert` begins after this has committed inserts rows for the cache. */
export const cacheRegister = statement<{ cache: string; keepMs: number }, never>(
  'cache_register',
  () => sql`insert into ${cacheRegistrations} (id, expires_at)
    values (${placeholder('cache')}, now() + ${placeholder('keepMs')}::float8 * interval '1 ms')
    on conflict (id) do update set expires_at = excluded.expires_at`,
  { sample: SAMPLE },
)

/**
 * Extends a registration when that is due, and returns whether the cache is registered. A registration that is about to
 * expire counts only when the update has found it: it may be removed at the same time.
 */
export const cacheTouch = statement<{ cache: string; keepMs: number }, { registered: boolean }>(
  'cache_touch',
  () => sql`with wanted as (
      select ${placeholder('cache')}::text as id, now() + ${placeholder('keepMs')}::float8 * interval '1 ms' as until
    ), renewed as (
      update ${cacheRegistrations} as r set expires_at = wanted.until from wanted
      where r.id = wanted.id and r.expires_at < wanted.until - interval '30 seconds'
      returning r.id
    )
    select exists (select from renewed) or exists (
      select from ${cacheRegistrations} as r join wanted on r.id = wanted.id
      where r.expires_at >= wanted.until - interval '30 seconds'
    ) as registered`,
  { sample: SAMPLE },
)

/** Open transactions of this database that have inserted into the outbox, perhaps before a registration. */
export const cacheWriters = statement<object, { holder: string }>(
  'cache_writers',
  () => sql`select distinct virtualtransaction as holder from pg_locks
    where locktype = 'relation' and granted and mode = 'RowExclusiveLock'
      and database = (select oid from pg_database where datname = current_database())
      and relation = 'public.cache_outbox'::regclass`,
  { sample: {} },
)

export const cacheExpire = statement<object, { id: string }>(
  'cache_expire',
  () => sql`delete from ${cacheRegistrations} where expires_at < now() returning id`,
  { sample: {}, fullScanReason: 'one registration per Redis, read once a minute' },
)

/**
 * Removes up to `limit` rows that no process will deliver: those of caches whose registration has expired, and those
 * without a cache that are older than `maxAgeMs`. Run it until it returns fewer rows.
 */
export const outboxPurge = statement<{ limit: number; maxAgeMs: number }, { id: number }>(
  'outbox_purge',
  () => sql`delete from ${cacheOutbox} where id in (
      select o.id from ${cacheOutbox} as o
      where (o.cache is null and o.created_at < now() - ${placeholder('maxAgeMs')}::float8 * interval '1 ms')
        or (o.cache is not null and not exists (select from ${cacheRegistrations} as r where r.id = o.cache))
      limit ${placeholder('limit')}
    ) returning id`,
  {
    sample: { limit: 100, maxAgeMs: 3_600_000 },
    fullScanReason: 'searches for rows that no process delivers, once a minute',
  },
)
