import { isCents, isNotTooEarly, isTimestamp, timestampColumn } from '@reference/database'
import { type AnyColumn, and, type SQL, sql } from 'drizzle-orm'
import { bigint, check, index, integer, pgTable, varchar } from 'drizzle-orm/pg-core'
import { products } from '../products/table.ts'
import { users } from '../users/table.ts'
import { MAX_QUANTITY, ORDER_STATUSES } from './model.ts'

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
    // Price × quantity exceeds 2^31 with both in range. JavaScript represents a bigint below 2^53 exactly.
    totalCents: bigint('total_cents', { mode: 'number' }).notNull(),
    status: varchar('status', { length: 16, enum: ORDER_STATUSES }).notNull().default('pending'),
    createdAt: timestampColumn('created_at').notNull().defaultNow(),
  },
  (table) => [
    check('orders_quantity_check', isQuantity(table.quantity)),
    check('orders_total_cents_check', sql`${table.totalCents} >= 0`),
    check('orders_total_cents_exact_check', isCents(table.totalCents)),
    check('orders_status_check', isStatus(table.status)),
    check('orders_created_at_check', isTimestamp(table.createdAt)),
    // These two are prefixes of others below, which Postgres uses in their place: without them 0.97 (0.90–1.05) and 0.99 (0.89–1.10) of
    // the requests a second. They stay because each is a line of the guide whose worth is measured; a table of your own needs the longer
    // ones alone.
    index('orders_user_id_idx').on(table.userId),
    index('orders_created_at_idx').on(table.createdAt),
    index('orders_user_id_created_at_idx').on(table.userId, table.createdAt),
    // Pages are keyset pages by (created_at, id), newest first. Postgres reads a b-tree backwards at the same cost.
    index('orders_created_at_id_idx').on(table.createdAt, table.id),
    index('orders_status_created_at_id_idx').on(table.status, table.createdAt, table.id),
    // Without it, the foreign key's check reads the whole table when a product is deleted.
    index('orders_product_id_idx').on(table.productId),
  ],
)

/** Lists and reports leave out a row that is in the table although a check forbids it. */
export function isRepresentable(): SQL | undefined {
  return and(isTimestamp(orders.createdAt), hasValues())
}

/** The same for the rows behind a cursor, which is their upper bound. */
export function isRepresentableInPage(): SQL | undefined {
  return and(isNotTooEarly(orders.createdAt), hasValues())
}

function hasValues(): SQL | undefined {
  return and(isStatus(orders.status), isQuantity(orders.quantity), isCents(orders.totalCents))
}

function isQuantity(column: AnyColumn): SQL {
  return sql`${column} between 1 and ${sql.raw(String(MAX_QUANTITY))}`
}

function isStatus(column: AnyColumn): SQL {
  const known = ORDER_STATUSES.map((each) => `'${each}'`).join(', ')
  return sql`${column} in (${sql.raw(known)})`
}
