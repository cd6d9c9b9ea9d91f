import { asc, sql } from 'drizzle-orm'
import { named } from '../rows.ts'
import { orders, products } from '../schema.ts'
import { statement } from '../statement.ts'

const { placeholder } = sql

/** One line of the report; `day` is a day in UTC, `2024-05-01`. */
export type ReportRow = { category: string; day: string; orders: number; revenueCents: number }

/**
 * Orders by category and day, computed by Postgres. Orders are first counted by product, since that leaves the
 * join 20 times fewer rows; `collate "C"` sorts as JavaScript compares.
 */
export const report = statement<object, ReportRow>(
  'report',
  () => sql`select ${products.category} as category, to_char(day, 'YYYY-MM-DD') as day,
      sum(number)::bigint as orders, sum(cents)::bigint as "revenueCents"
    from (
      select ${orders.productId} as product, (${orders.createdAt} at time zone 'UTC')::date as day,
        count(*) as number, sum(${orders.totalCents}) as cents
      from ${orders} group by 1, 2
    ) as sold join ${products} on ${products.id} = product
    group by ${products.category}, day
    order by ${products.category} collate "C", day`,
)

/** What computes the report elsewhere: the products' categories … */
export const productCategories = statement<object, { id: number; category: string }>(
  'product_categories',
  (db) =>
    db.select({ id: products.id, category: products.category }).from(products).orderBy(asc(products.id)),
)

/** … the ids to divide among the parts (both null without orders) … */
export const orderIdRange = statement<object, { first: number | null; last: number | null }>(
  'order_id_range',
  (db) =>
    db
      .select({
        first: named<number | null>(sql`min(${orders.id})`, 'first'),
        last: named<number | null>(sql`max(${orders.id})`, 'last'),
      })
      .from(orders),
)

/**
 * … and the orders with `from` ≤ id ≤ `to` as one text, `product,day,cents;` an order, about 16 bytes each; `day`
 * counts from 1970-01-01. To be read with `bytes()`, undecoded: a worker thread parses the digits.
 */
export const orderPart = statement<{ from: number; to: number }, { part: string }>(
  'order_part',
  () => sql`select coalesce(string_agg(${orders.productId} || ',' ||
      (${orders.createdAt} at time zone 'UTC')::date - date '1970-01-01' || ',' || ${orders.totalCents}, ';'), '') as part
    from ${orders} where ${orders.id} between ${placeholder('from')} and ${placeholder('to')}`,
)
