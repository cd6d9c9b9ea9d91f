import type { Order, OrderStatus } from '@reference/model'
import { and, desc, eq, type SQL, sql } from 'drizzle-orm'
import { LAST_MOMENT } from '../representable.ts'
import { columns, representable } from '../rows.ts'
import { orders, products } from '../schema.ts'
import { type Statement, statement } from '../statement.ts'
import { limited } from './limited.ts'

const { placeholder } = sql

export const orderById = statement<{ id: number }, Order>('order_by_id', (db) =>
  db
    .select(columns.order())
    .from(orders)
    .where(eq(orders.id, placeholder('id'))),
)

/** Where a page of orders starts: the last row of the page before. */
export type OrderCursor = { createdAt: string; id: number }

/** Before every page, since a page holds what is older than its cursor; never past `LAST_MOMENT`. */
export const newestOrder: OrderCursor = { createdAt: LAST_MOMENT, id: 2_147_483_647 }

export type OrdersPageParams = OrderCursor & {
  limit: number
  userId?: number | undefined
  status?: OrderStatus | undefined
}

/**
 * Newest first by (created_at, id). One statement a combination of filters, so that each has a plan on its own
 * index; one statement with `userId is null or …` gets a single generic plan that fits none.
 */
export function ordersPage(filter: {
  userId?: number | undefined
  status?: OrderStatus | undefined
}): Statement<OrdersPageParams, Order> {
  if (filter.userId !== undefined) return filter.status === undefined ? pages.byUser : pages.byUserAndStatus
  return filter.status === undefined ? pages.all : pages.byStatus
}

const byUser = eq(orders.userId, placeholder('userId'))
const byStatus = eq(orders.status, placeholder('status'))

const pages = {
  all: page('orders_page'),
  byUser: page('orders_page_by_user', byUser),
  byStatus: page('orders_page_by_status', byStatus),
  // A user has few orders and many share a status: the user's index, then a filter.
  byUserAndStatus: page('orders_page_by_user_and_status', byUser, byStatus),
}

function page(name: string, ...filters: SQL[]): Statement<OrdersPageParams, Order> {
  return statement(name, (db) =>
    limited(
      db
        .select(columns.order())
        .from(orders)
        .where(
          and(
            ...filters,
            representable.orderInPage(),
            sql`(${orders.createdAt}, ${orders.id}) < (${placeholder('createdAt')}::timestamptz, ${placeholder('id')}::int)`,
          ),
        )
        .orderBy(desc(orders.createdAt), desc(orders.id)),
    ),
  )
}

/**
 * The total is the product's price × quantity, read and written in one statement. No row: no such product.
 * An absent user is a foreign key violation of `orders_user_id_users_id_fk`.
 */
export const insertOrder = statement<{ userId: number; productId: number; quantity: number }, Order>(
  'insert_order',
  // Plain SQL: Drizzle's insert … select lists every column, the identity too, which Postgres then refuses.
  () => sql`insert into ${orders} (user_id, product_id, quantity, total_cents)
    select ${placeholder('userId')}::int, ${products.id}, ${placeholder('quantity')}::int,
      ${products.priceCents}::bigint * ${placeholder('quantity')}::int
    from ${products} where ${products.id} = ${placeholder('productId')}
    returning id, user_id as "userId", product_id as "productId", quantity, total_cents as "totalCents", status,
      created_at as "createdAt"`,
)
