import { startService } from '@reference/local-stack'
import t from 'tap'
import { createGet } from './testing/get.ts'
import { startApi, type TestApi } from './testing/test-api.ts'

const TIMESTAMPS = ['infinity', '-infinity', '20000-01-01 00:00:00+00', '0044-03-15 00:00:00+00 BC']

/** Rows as a database can contain them that is older than the check constraints. */
async function spoil({ sql }: TestApi): Promise<void> {
  await sql`alter table orders drop constraint orders_created_at_check, drop constraint orders_total_cents_check,
    drop constraint orders_total_cents_exact_check, drop constraint orders_status_check, drop constraint orders_quantity_check`
  await sql`alter table users drop constraint users_created_at_check, drop constraint users_email_check`
  await sql`alter table products drop constraint products_price_cents_check`
  for (const [n, timestamp] of TIMESTAMPS.entries()) {
    await sql`update orders set created_at = ${timestamp}::text::timestamptz where id = ${1 + n}`
    await sql`update users set created_at = ${timestamp}::text::timestamptz where id = ${1 + n}`
  }
  await sql`update orders set status = 'refunded' where id = 11`
  await sql`update orders set total_cents = -1 where id = 12`
  await sql`update orders set total_cents = 9223372036854775807 where id = 13`
  await sql`update orders set quantity = 0 where id = 14`
  await sql`update users set email = 'none' where id = 11`
  await sql`update products set price_cents = -1 where id = 11`
}

const BAD_ORDERS = [1, 2, 3, 4, 11, 12, 13, 14]
const BAD_USERS = [1, 2, 3, 4, 11]

const ids = (rows: { id: number }[]) => rows.map(({ id }) => id)

t.test(
  'rows that cannot be represented are left out of /all and of the report, by every engine',
  async (t) => {
    const api = await startApi(t)
    await api.sql`delete from orders where id > 400`
    await spoil(api)
    const main = await startApi(t, { WORKER_THREADS: '0' }, { database: api.database })
    const rows = await api.sql`
    select p.category, to_char(o.created_at at time zone 'UTC', 'YYYY-MM-DD') as day,
      count(*)::int as orders, sum(o.total_cents)::float8 as "revenueCents"
    from orders o join products p on p.id = o.product_id where o.id <> all(${BAD_ORDERS})
    group by 1, 2 order by p.category collate "C", 2`
    const expected = JSON.parse(JSON.stringify(rows))
    for (const [get, path] of [
      [api.get, '/report'],
      [api.get, '/report?engine=sql'],
      [main.get, '/report'],
    ] as const) {
      const { status, body } = await get(path)
      t.equal(status, 200)
      t.same(body.rows, expected, path)
    }
    const { status, body } = await api.get('/all?limit=500')
    t.equal(status, 200)
    const good = await api.sql<{ id: number }[]>`
    select id from orders where id <> all(${BAD_ORDERS}) order by created_at desc, id desc`
    t.same(ids(body.orders), ids(good))
    const users = await api.sql<
      { id: number }[]
    >`select id from users where id <> all(${BAD_USERS}) order by id limit 500`
    t.same(ids(body.users), ids(users))
    t.equal(body.products.length, 99)
  },
)

t.test('sums past 2^53 have all their digits, by every engine', async (t) => {
  const api = await startApi(t)
  await api.sql`delete from orders where id > 3`
  await api.sql`update orders set product_id = 1, created_at = '2026-01-31 12:00Z'`
  await api.sql`insert into orders (user_id, product_id, quantity, total_cents, created_at)
    select 1, 1, 1, 9007199254740991, '2026-01-31 13:00Z' from generate_series(1, 2000)`
  const [row] = await api.sql<{ sum: string }[]>`select sum(total_cents)::text as sum from orders`
  t.ok(BigInt(row?.sum ?? 0) > 2n ** 63n)
  const main = await startApi(t, { WORKER_THREADS: '0' }, { database: api.database })
  for (const [get, path] of [
    [api.get, '/report'],
    [api.get, '/report?engine=sql'],
    [main.get, '/report'],
  ] as const) {
    t.match((await get(path)).text, `"orders":2003,"revenueCents":${row?.sum}}`, path)
  }
})

t.test(
  '/aggregate leaves out orders that cannot be represented, or whose user or product cannot',
  async (t) => {
    const { database, ...direct } = await startApi(t)
    const service = startService(t, 'reference-api', { DATABASE_URL: database.url, CACHE_PAGE_TTL_MS: '0' })
    const origin = await service.listening()
    const { get } = await startApi(t, { UPSTREAM_URL: origin }, { database })
    const { sql } = direct
    await sql`delete from orders where id > 60`
    await sql`update orders set user_id = 20 + id % 5, product_id = 20 + id % 5`
    await spoil({ ...direct, database })
    await sql`update orders set user_id = 1 where id = 21`
    await sql`update orders set user_id = 11 where id = 22`
    await sql`update orders set product_id = 11 where id = 23`
    const left = [...BAD_ORDERS, 21, 22, 23]
    const good = await sql<
      { id: number }[]
    >`select id from orders where id <> all(${left}) order by created_at desc, id desc`
    for (let call = 0; call < 12; call++) {
      const { status, body } = await get('/aggregate?limit=500')
      t.equal(status, 200, 'such a row does not suspend the upstream')
      t.same(ids(body.items), ids(good))
    }
    t.match((await get('/metrics')).text, `aggregate_rows_left_out_total ${12 * 3}\n`)
    t.match(await createGet(origin)('/users/1'), { status: 500, body: { code: 'ROW_NOT_REPRESENTABLE' } })
    t.match(await get('/users/1'), { status: 500, body: { code: 'ROW_NOT_REPRESENTABLE' } })
  },
)
