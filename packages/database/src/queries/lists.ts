import { type AnyColumn, type SQL, sql } from 'drizzle-orm'
import { orders, products, users } from '../schema.ts'
import { statement } from '../statement.ts'

const { placeholder } = sql

/**
 * Lists as JSON text that Postgres builds, byte for byte what `JSON.stringify` makes of the same rows (`row_to_json`
 * has no blanks, and the moments are formatted as `toISOString` does). Node then neither makes objects nor
 * encodes them: it passes on one string. No rows: `[]`.
 */
export const usersJson = statement<{ limit: number }, { json: string }>('users_json', () =>
  jsonList(sql`select id, email, name, ${isoText(users.createdAt)} as "createdAt"
    from ${users} order by ${users.id} limit ${placeholder('limit')}`),
)

export const productsJson = statement<{ limit: number }, { json: string }>('products_json', () =>
  jsonList(sql`select id, name, category, price_cents as "priceCents"
    from ${products} order by ${products.id} limit ${placeholder('limit')}`),
)

/** Newest first, as the pages of orders. */
export const ordersJson = statement<{ limit: number }, { json: string }>('orders_json', () =>
  jsonList(sql`select id, user_id as "userId", product_id as "productId", quantity,
      total_cents as "totalCents", status, ${isoText(orders.createdAt)} as "createdAt"
    from ${orders} order by ${orders.createdAt} desc, ${orders.id} desc limit ${placeholder('limit')}`),
)

function jsonList(rows: SQL): SQL {
  return sql`select '[' || coalesce(string_agg(row_to_json(row)::text, ','), '') || ']' as json from (${rows}) as row`
}

function isoText(column: AnyColumn): SQL {
  return sql`to_char(${column} at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"')`
}
