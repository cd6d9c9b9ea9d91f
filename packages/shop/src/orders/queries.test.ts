import type { Pool } from '@reference/database'
import t from 'tap'
import { open } from '../testing/open.ts'
import { rowsOf } from '../testing/rows.ts'
import type { Order } from './model.ts'
import {
  insertOrder,
  NEWEST_ORDER,
  type OrderCursor,
  type OrderFilter,
  orderById,
  ordersByIds,
  ordersPage,
} from './queries.ts'

t.test('pages of orders hold each order once, in order, even where all share a timestamp', async (t) => {
  const { database } = await open(t)
  const { primary } = database
  await primary.sql`update orders set created_at = timestamptz '2025-06-01 00:00:00.123Z' where id % 3 > 0`
  for (const filter of [
    {},
    { userId: 7 },
    { status: 'paid' as const },
    { userId: 7, status: 'shipped' as const },
  ]) {
    const all = await primary.sql<{ id: number }>`
      select id from orders where (${filter.userId ?? null}::int is null or user_id = ${filter.userId ?? null}::int)
        and (${filter.status ?? null}::text is null or status = ${filter.status ?? null}::text)
      order by created_at desc, id desc`
    t.same(
      await idsOfPages(primary, filter, filter.userId === undefined ? 400 : 2),
      all.map(({ id }) => id),
      JSON.stringify(filter),
    )
    t.ok(all.length > 0)
  }
})

async function idsOfPages(pool: Pool, filter: OrderFilter, limit: number) {
  const ids: number[] = []
  let cursor: OrderCursor | undefined = NEWEST_ORDER
  while (cursor !== undefined) {
    const rows: Order[] = await rowsOf(pool, ordersPage(filter), { ...filter, ...cursor, limit })
    ids.push(...rows.map(({ id }) => id))
    const last: Order | undefined = rows.at(-1)
    cursor = rows.length < limit ? undefined : last
  }
  return ids
}

t.test('an order has its JavaScript names, in the order of the JSON', async (t) => {
  const { primary } = (await open(t)).database
  t.strictSame(Object.keys((await primary.first(orderById, { id: 1 })) ?? {}), [
    ...['id', 'userId', 'productId', 'quantity', 'totalCents', 'status', 'createdAt'],
  ])
})

t.test('an order costs the price times the quantity, beyond 32 bits too', async (t) => {
  const { primary } = (await open(t)).database
  await primary.sql`update products set price_cents = 2000000000 where id = 1`
  t.match(await primary.first(insertOrder, { userId: 2, productId: 1, quantity: 3 }), {
    userId: 2,
    productId: 1,
    quantity: 3,
    totalCents: 6_000_000_000,
    status: 'pending',
  })
  t.equal(await primary.first(insertOrder, { userId: 2, productId: 101, quantity: 3 }), undefined)
})

t.test('a list is byte for byte what JSON.stringify makes', async (t) => {
  const { primary } = (await open(t)).database
  await primary.sql`update orders set created_at = '2030-01-01 00:00:00.01Z' where id = 2`
  const limit = 50
  const page = ordersPage({})
  const newest = await primary.sql<{
    id: number
  }>`select id from orders order by created_at desc, id desc limit ${limit}`
  const ids = newest.map(({ id }) => id)
  const rows = await primary.run(ordersByIds, { ids })
  rows.sort((one, other) => ids.indexOf(one.id) - ids.indexOf(other.id))
  t.equal(String(page.encode(await primary.bytes(page, { ...NEWEST_ORDER, limit }))), JSON.stringify(rows))
  t.equal(String(page.encode(await primary.bytes(page, { createdAt: '0001-01-01', id: 1, limit }))), '[]')
})
