import { type Order, orderStatuses, type Product, type User } from '@reference/model'
import { type AnyColumn, and, gte, type SQL, sql } from 'drizzle-orm'
import { rowNotRepresentable } from './errors.ts'
import { isCents, isEmail, isMoment, isName, isNotTooEarly, isQuantity, isStatus } from './representable.ts'
import { orders, products, users } from './schema.ts'
import { isIsoMoment } from './wire.ts'

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

/**
 * Conditions for lists and reports: a row that broke into the table although the schema forbids it is left out, instead of
 * failing the list for every caller. In SQL, so that pages are full and cursors never stand on such a row.
 */
export const representable = {
  user: (): SQL | undefined => and(isName(users.name), isEmail(users.email), isMoment(users.createdAt)),
  product: (): SQL | undefined => gte(products.priceCents, 0),
  order: (): SQL | undefined => and(isMoment(orders.createdAt), orderValues()),
  /** Of orders that are older than a cursor. */
  orderInPage: (): SQL | undefined => and(isNotTooEarly(orders.createdAt), orderValues()),
}

function orderValues(): SQL | undefined {
  return and(isStatus(orders.status), isQuantity(orders.quantity), isCents(orders.totalCents))
}

const EMAIL = /^[^@]+@[^@]+$/s

/** The same conditions for a row that was asked for by its id: there it is an error and not left out. */
const checks = {
  user: ({ name, email, createdAt }: User) => name !== '' && EMAIL.test(email) && isIsoMoment(createdAt),
  product: ({ priceCents }: Product) => priceCents >= 0,
  order: ({ createdAt, status, quantity, totalCents }: Order) =>
    isIsoMoment(createdAt) &&
    orderStatuses.includes(status) &&
    quantity >= 1 &&
    quantity <= 1_000_000 &&
    totalCents >= 0 &&
    Number.isSafeInteger(totalCents),
}

interface Rows {
  user: User
  product: Product
  order: Order
}

/**
 * Passes a row on, or none.
 *
 * @throws `ROW_NOT_REPRESENTABLE` (500) for one that the API has no form for
 */
export function checkedRow<Kind extends keyof Rows, Row extends Rows[Kind] | undefined>(
  kind: Kind,
  row: Row,
): Row {
  if (row === undefined || (checks[kind] as (row: Rows[keyof Rows]) => boolean)(row)) return row
  throw rowNotRepresentable(kind, row.id)
}
