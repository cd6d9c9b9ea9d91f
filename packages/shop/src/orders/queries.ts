import {
  isOneOf,
  type JsonList,
  jsonList,
  keyset,
  LAST_TIMESTAMP,
  named,
  plainText,
  statement,
} from '@reference/database'
import { MAX_ID } from '@reference/http/schemas'
import { and, eq, type SQL, sql } from 'drizzle-orm'
import { products } from '../products/table.ts'
import type { Order, OrderStatus } from './model.ts'
import { isRepresentableInPage, orders } from './table.ts'

export { orders as table } from './table.ts'

const { placeholder } = sql

/** In the order of the JSON. */
const columns = () => ({
  id: orders.id,
  userId: named<number>(orders.userId, 'userId'),
  productId: named<number>(orders.productId, 'productId'),
  quantity: orders.quantity,
  totalCents: named<number>(orders.totalCents, 'totalCents'),
  status: orders.status,
  createdAt: named<string>(orders.createdAt, 'createdAt'),
})

export const orderById = statement<{ id: number }, Order>(
  'order_by_id',
  (db) =>
    db
      .select(columns())
      .from(orders)
      .where(eq(orders.id, placeholder('id'))),
  { sample: { id: 42 } },
)

/** The rows that exist, in no order. */
export const ordersByIds = statement<{ ids: number[] }, Order>(
  'orders_by_ids',
  (db) =>
    db
      .select(columns())
      .from(orders)
      .where(isOneOf(orders.id, 'ids', 'int')),
  { sample: { ids: Array.from({ length: 10 }, (_, index) => 1 + index * 7) } },
)

/** The position of a page: the last row of the previous page. */
export interface OrderCursor {
  readonly createdAt: string
  readonly id: number
}

/** The position of the first page: a page contains what is older than its cursor, and no order is newer than `LAST_TIMESTAMP`. */
export const NEWEST_ORDER: OrderCursor = { createdAt: LAST_TIMESTAMP, id: MAX_ID }

export interface OrderFilter {
  readonly userId?: number | undefined
  readonly status?: OrderStatus | undefined
}

export interface OrdersPageParams extends OrderFilter, OrderCursor {
  readonly limit: number
}

/**
 * Newest first by (created_at, id). One statement per combination of filters, so that each has a plan on its own
 * index; a single statement with `userId is null or …` would have one generic plan that fits none.
 */
export function ordersPage({ userId, status }: OrderFilter): JsonList<OrdersPageParams> {
  if (userId !== undefined) return status === undefined ? ordersPages.byUser : ordersPages.byUserAndStatus
  return status === undefined ? ordersPages.all : ordersPages.byStatus
}

const byUser = eq(orders.userId, placeholder('userId'))
const byStatus = eq(orders.status, placeholder('status'))
const newestFirst = keyset(
  {
    createdAt: { column: orders.createdAt, type: 'timestamptz' },
    id: { column: orders.id, type: 'int' },
  },
  'desc',
)

const FIRST_PAGE = { ...NEWEST_ORDER, limit: 50 }
const LATER_PAGE = { createdAt: '2025-06-01T00:00:00Z', id: 1, limit: 50 }

export const ordersPages = {
  all: page('orders_page', [], LATER_PAGE),
  byUser: page('orders_page_by_user', [byUser], { ...FIRST_PAGE, userId: 42 }),
  byStatus: page('orders_page_by_status', [byStatus], { ...LATER_PAGE, status: 'paid' }),
  // A user has few orders and many orders share a status: the user's index, then a filter.
  byUserAndStatus: page('orders_page_by_user_and_status', [byUser, byStatus], {
    ...FIRST_PAGE,
    userId: 42,
    status: 'paid',
  }),
}

function page(name: string, filters: readonly SQL[], sample: OrdersPageParams): JsonList<OrdersPageParams> {
  const where = () => and(...filters, isRepresentableInPage(), newestFirst.behind)
  return jsonList(name, {
    rows: () => sql`select * from ${orders} where ${where()} order by ${newestFirst.order}`,
    members: {
      id: orders.id,
      userId: orders.userId,
      productId: orders.productId,
      quantity: orders.quantity,
      totalCents: orders.totalCents,
      status: plainText(orders.status),
      createdAt: orders.createdAt,
    },
    sample,
  })
}

/**
 * The total is the product's price × quantity, read and written in one statement. Returns no row when there is no such product.
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
  { sample: { userId: 42, productId: 42, quantity: 1 } },
)
