import { gte, type SQL, sql } from 'drizzle-orm'
import { check, integer, pgTable, varchar } from 'drizzle-orm/pg-core'

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

/** Lists leave out a row that is in the table although a check forbids it. */
export function isRepresentable(): SQL {
  return gte(products.priceCents, 0)
}
