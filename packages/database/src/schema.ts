import { sql } from 'drizzle-orm'
import {
  bigint,
  boolean,
  check,
  index,
  jsonb,
  pgTable,
  primaryKey,
  smallint,
  text,
  uuid,
} from 'drizzle-orm/pg-core'
import { timestampColumn } from './columns.ts'

/** The tables of the platform. The application's schema includes them, and its migrations create them. */

export const idempotencyKeys = pgTable(
  'idempotency_keys',
  {
    scope: text('scope').notNull(),
    key: text('key').notNull(),
    bodySha256: text('body_sha256').notNull(),
    status: smallint('status').notNull(),
    headers: jsonb('headers').$type<Record<string, string>>().notNull(),
    body: text('body').notNull(),
    createdAt: timestampColumn('created_at').notNull().defaultNow(),
  },
  (table) => [
    primaryKey({ columns: [table.scope, table.key] }),
    index('idempotency_keys_created_at_idx').on(table.createdAt),
  ],
)

/**
 * Invalidations that are not delivered yet. A row names its cache: one write inserts a row per key and registered cache, and
 * only processes that use that cache remove the row.
 */
export const cacheOutbox = pgTable(
  'cache_outbox',
  {
    id: bigint('id', { mode: 'number' }).primaryKey().generatedAlwaysAsIdentity(),
    key: text('key').notNull(),
    createdAt: timestampColumn('created_at').notNull().defaultNow(),
    // Null: written by a release that did not know the registrations. A trigger inserts the named rows; see the migration.
    cache: text('cache'),
  },
  // The rows of an unreachable cache must not slow down the processes of other caches at each poll.
  (table) => [index('cache_outbox_cache_id_idx').on(table.cache, table.id)],
)

/** The caches that hold rows of this database: every write inserts outbox rows for all of them. */
export const cacheRegistrations = pgTable('cache_registrations', {
  /** Random, and stored in the cache itself. */
  id: text('id').primaryKey(),
  /** Extended by the processes that use the cache. An expired registration is removed, and its id is never used again. */
  expiresAt: timestampColumn('expires_at').notNull(),
})

/** One row, which distinguishes this database from a copy and from a database that replaced it. */
export const installation = pgTable(
  'installation',
  {
    single: boolean('single').primaryKey().default(true),
    id: uuid('id').notNull().defaultRandom(),
  },
  (table) => [check('installation_single_check', sql`${table.single}`)],
)
