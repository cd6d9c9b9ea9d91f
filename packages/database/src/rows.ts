import { type AnyColumn, type SQL, sql } from 'drizzle-orm'
import { orders, products, users } from './schema.ts'

/** Gives a column its JavaScript name in SQL: rows then need no mapping, and Postgres sends the name once a statement. */
export function named<Value>(column: AnyColumn | SQL, name: string): SQL.Aliased<Value> {
  return sql<Value>`${column}`.as(name)
}

/** The columns of each row, in the order in which its JSON has them. */
export const columns = {
  user: () => ({
    id: users.id,
    email: users.email,
    name: users.name,
    createdAt: named<string>(users.createdAt, 'createdAt'),
  }),
  product: () => ({
    id: products.id,
    name: products.name,
    category: products.category,
    priceCents: named<number>(products.priceCents, 'priceCents'),
  }),
  order: () => ({
    id: orders.id,
    userId: named<number>(orders.userId, 'userId'),
    productId: named<number>(orders.productId, 'productId'),
    quantity: orders.quantity,
    totalCents: named<number>(orders.totalCents, 'totalCents'),
    status: orders.status,
    createdAt: named<string>(orders.createdAt, 'createdAt'),
  }),
}
