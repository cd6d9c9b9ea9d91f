import { isOneOf, jsonList, keyset, named, statement } from '@reference/database'
import { and, eq, sql } from 'drizzle-orm'
import type { Product } from './model.ts'
import { isRepresentable, products } from './table.ts'

export { products as table } from './table.ts'

const { placeholder } = sql

/** In the order of the JSON. */
const columns = () => ({
  id: products.id,
  name: products.name,
  category: products.category,
  priceCents: named<number>(products.priceCents, 'priceCents'),
})

export const productById = statement<{ id: number }, Product>(
  'product_by_id',
  (db) =>
    db
      .select(columns())
      .from(products)
      .where(eq(products.id, placeholder('id'))),
  { sample: { id: 42 } },
)

/** The rows that exist, in no order. */
export const productsByIds = statement<{ ids: number[] }, Product>(
  'products_by_ids',
  (db) =>
    db
      .select(columns())
      .from(products)
      .where(isOneOf(products.id, 'ids', 'int')),
  { sample: { ids: Array.from({ length: 10 }, (_, index) => 1 + index * 7) } },
)

const byId = keyset({ after: { column: products.id, type: 'int' } }, 'asc')

/** Ascending from the first id behind `after`; 0 is the first page. */
export const productsPage = jsonList<{ after: number; limit: number }>('products_page', {
  rows: () =>
    sql`select * from ${products} where ${and(byId.behind, isRepresentable())} order by ${byId.order}`,
  members: {
    id: products.id,
    name: products.name,
    category: products.category,
    priceCents: products.priceCents,
  },
  sample: { after: 10, limit: 50 },
})
