import { and, eq, lt, sql } from 'drizzle-orm'
import { named } from '../columns.ts'
import { idempotencyKeys } from '../schema.ts'
import { statement } from '../statement.ts'

const { placeholder } = sql

interface Key {
  readonly scope: string
  readonly key: string
}

const SAMPLE: Key = { scope: 'POST /orders', key: 'explain' }

/** A reply that a request with an `idempotency-key` was given, and the digest of its body. */
export interface StoredReplyRow {
  readonly bodySha256: string
  readonly status: number
  readonly headers: Readonly<Record<string, string>>
  /** JSON text. */
  readonly body: string
}

/**
 * Inside a transaction, before `idempotencyGet`: a second call with the same key waits here until the first has
 * committed or rolled back, and then sees its reply. A transaction lock, so it works through PgBouncer too.
 */
export const idempotencyLock = statement<Key, { locked: string }>(
  'idempotency_lock',
  () =>
    sql`select pg_advisory_xact_lock(hashtextextended(${placeholder('scope')} || ' ' || ${placeholder('key')}, 0))::text as locked`,
  { sample: SAMPLE },
)

export const idempotencyGet = statement<Key, StoredReplyRow>(
  'idempotency_get',
  (db) =>
    db
      .select({
        bodySha256: named<string>(idempotencyKeys.bodySha256, 'bodySha256'),
        status: idempotencyKeys.status,
        headers: idempotencyKeys.headers,
        body: idempotencyKeys.body,
      })
      .from(idempotencyKeys)
      .where(
        and(
          eq(idempotencyKeys.scope, placeholder('scope')),
          eq(idempotencyKeys.key, placeholder('key')),
          sql`${idempotencyKeys.createdAt} > now() - interval '24 hours'`,
        ),
      ),
  { sample: SAMPLE },
)

/**
 * `headersJson` is JSON text. An expired reply that was not purged yet is replaced. No row is returned when a valid reply
 * exists, which happens only without the lock.
 */
export const idempotencyInsert = statement<
  Key & { bodySha256: string; status: number; headersJson: string; body: string },
  { key: string }
>(
  'idempotency_insert',
  (db) =>
    db
      .insert(idempotencyKeys)
      .values({
        scope: placeholder('scope'),
        key: placeholder('key'),
        bodySha256: placeholder('bodySha256'),
        status: placeholder('status'),
        headers: sql`${placeholder('headersJson')}::jsonb`,
        body: placeholder('body'),
      })
      .onConflictDoUpdate({
        target: [idempotencyKeys.scope, idempotencyKeys.key],
        set: {
          bodySha256: sql`excluded.body_sha256`,
          status: sql`excluded.status`,
          headers: sql`excluded.headers`,
          body: sql`excluded.body`,
          createdAt: sql`excluded.created_at`,
        },
        setWhere: sql`${idempotencyKeys.createdAt} <= now() - interval '24 hours'`,
      })
      .returning({ key: idempotencyKeys.key }),
  { sample: { ...SAMPLE, bodySha256: '', status: 201, headersJson: '{}', body: '' } },
)

/** Deletes up to `limit` replies that are older than 24 h, and returns their keys. Run it until it returns none. */
export const idempotencyPurge = statement<{ limit: number }, { key: string }>(
  'idempotency_purge',
  (db) =>
    db
      .delete(idempotencyKeys)
      .where(
        sql`(${idempotencyKeys.scope}, ${idempotencyKeys.key}) in (${db
          .select({ scope: idempotencyKeys.scope, key: idempotencyKeys.key })
          .from(idempotencyKeys)
          .where(lt(idempotencyKeys.createdAt, sql`now() - interval '24 hours'`))
          .limit(placeholder('limit'))
          .for('update', { skipLocked: true })})`,
      )
      .returning({ key: idempotencyKeys.key }),
  { sample: { limit: 1000 } },
)
