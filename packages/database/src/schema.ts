import { orderStatuses } from '@reference/model'
import { sql } from 'drizzle-orm'
import {
  bigint,
  boolean,
  check,
  index,
  integer,
  jsonb,
  pgTable,
  primaryKey,
  smallint,
  text,
  timestamp,
  unique,
  uuid,
  varchar,
} from 'drizzle-orm/pg-core'
import { isCents, isEmail, isMoment, isName, isQuantity, isStatus } from './representable.ts'

/** Milliseconds, not Postgres' microseconds: a keyset cursor that went through JavaScript must name the row exactly. */
const moment = (name: string) => timestamp(name, { precision: 3, withTimezone: true, mode: 'string' })

export const users = pgTable(
  'users',
  {
    id: integer('id').primaryKey().generatedAlwaysAsIdentity(),
    email: varchar('email', { length: 320 }).notNull(),
    name: varchar('name', { length: 200 }).notNull(),
    createdAt: moment('created_at').notNull().defaultNow(),
  },
  (table) => [
    unique('users_email_unique').on(table.email),
    check('users_name_check', isName(table.name)),
    check('users_email_check', isEmail(table.email)),
    check('users_created_at_check', isMoment(table.createdAt)),
  ],
)

export const products = pgTable(
  'products',
  {
    id: integer('id').primaryKey().generatedAlwaysAsIdentity(),
    name: varchar('name', { length: 200 }).notNull(),
    category: varchar('category', { length: 100 }).notNull(),
    priceCents: integer('price_cents').notNull(),
  },
  (table) => [check('products_price_cents_check', sql`${table.priceCents} >= 0`)],
)

export const orders = pgTable(
  'orders',
  {
    id: integer('id').primaryKey().generatedAlwaysAsIdentity(),
    userId: integer('user_id')
      .notNull()
      .references(() => users.id, { onDelete: 'restrict' }),
    productId: integer('product_id')
      .notNull()
      .references(() => products.id, { onDelete: 'restrict' }),
    quantity: integer('quantity').notNull(),
    // Price × quantity passes 2^31 with both in range; a bigint below 2^53 is exact in JavaScript too.
    totalCents: bigint('total_cents', { mode: 'number' }).notNull(),
    status: varchar('status', { length: 16, enum: orderStatuses }).notNull().default('pending'),
    createdAt: moment('created_at').notNull().defaultNow(),
  },
  (table) => [
    check('orders_quantity_check', isQuantity(table.quantity)),
    check('orders_total_cents_check', sql`${table.totalCents} >= 0`),
    check('orders_total_cents_exact_check', isCents(table.totalCents)),
    check('orders_status_check', isStatus(table.status)),
    check('orders_created_at_check', isMoment(table.createdAt)),
    // The guide's three. The first two are prefixes of others below and could go; they stay because the
    // benchmark drops and builds each of them to show what it is worth. Postgres picks the longer ones.
    index('orders_user_id_idx').on(table.userId),
    index('orders_created_at_idx').on(table.createdAt),
    index('orders_user_id_created_at_idx').on(table.userId, table.createdAt),
    // Pages are keyset pages by (created_at, id), newest first; a b-tree is read backwards as fast.
    index('orders_created_at_id_idx').on(table.createdAt, table.id),
    index('orders_status_created_at_id_idx').on(table.status, table.createdAt, table.id),
    // Without it, deleting a product reads the whole of orders for the foreign key's check.
    index('orders_product_id_idx').on(table.productId),
  ],
)

export const settings = pgTable(
  'settings',
  {
    key: text('key').primaryKey(),
    value: jsonb('value').notNull(),
    updatedAt: moment('updated_at').notNull().defaultNow(),
  },
  (table) => [check('settings_updated_at_check', isMoment(table.updatedAt))],
)

export const idempotencyKeys = pgTable(
  'idempotency_keys',
  {
    scope: text('scope').notNull(),
    key: text('key').notNull(),
    bodySha256: text('body_sha256').notNull(),
    status: smallint('status').notNull(),
    headers: jsonb('headers').$type<Record<string, string>>().notNull(),
    body: text('body').notNull(),
    createdAt: moment('created_at').notNull().defaultNow(),
  },
  (table) => [
    primaryKey({ columns: [table.scope, table.key] }),
    index('idempotency_keys_created_at_idx').on(table.createdAt),
  ],
)

/**
 * Invalidations that are still to be delivered. A row names the cache that it is for: one write makes a row a key for each
 * registered cache, and only processes that use that cache remove it.
 */
export const cacheOutbox = pgTable(
  'cache_outbox',
  {
    id: bigint('id', { mode: 'number' }).primaryKey().generatedAlwaysAsIdentity(),
    key: text('key').notNull(),
    createdAt: moment('created_at').notNull().defaultNow(),
    // Null: written without knowledge of the caches. A trigger makes the named rows; see the migration.
    cache: text('cache'),
  },
  // What an unreachable cache leaves behind must not be read by the processes of the others each time they look.
  (table) => [index('cache_outbox_cache_id_idx').on(table.cache, table.id)],
)

/** The caches that hold rows of this database: every write inserts rows for all of them. */
export const cacheRegistrations = pgTable('cache_registrations', {
  /** Random, and stored in the cache itself. */
  id: text('id').primaryKey(),
  /** Moved on by the processes that use the cache. Later the registration is removed, and its id never used again. */
  expiresAt: moment('expires_at').notNull(),
})

/** One row: what tells this database from a copy, and from another one that took its place. */
export const installation = pgTable(
  'installation',
  {
    single: boolean('single').primaryKey().default(true),
    id: uuid('id').notNull().defaultRandom(),
  },
  (table) => [check('installation_single_check', sql`${table.single}`)],
)
