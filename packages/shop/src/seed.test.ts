import { createDatabase } from '@reference/database'
import { type TestScope, testDatabase } from '@reference/local-stack'
import t from 'tap'
import { migrate, POOLS, type SeedProgress, seed } from './index.ts'
import { insertOrder } from './orders/queries.ts'
import { insertUser } from './users/queries.ts'

const counts = { users: 300, products: 40, orders: 30_000 }

async function seeded(t: TestScope, onProgress?: (progress: SeedProgress) => void) {
  const { url } = await testDatabase(t, { from: 'empty' })
  await migrate({ url })
  const result = await seed({ url, ...counts, onProgress })
  const database = createDatabase({ url, poolSizes: POOLS['reference-api'], applicationName: 'test' })
  t.teardown(() => database.close())
  return { url, result, database, sql: database.primary.sql }
}

const digest = (sql: Awaited<ReturnType<typeof seeded>>['sql']) => sql`
  select (select md5(string_agg(u::text, ',' order by id)) from users u) as users,
    (select md5(string_agg(p::text, ',' order by id)) from products p) as products,
    (select md5(string_agg(o::text, ',' order by id)) from orders o) as orders`

t.test('the same rows each time, ids without gaps, spread over all there is', async (t) => {
  const progress: SeedProgress[] = []
  const one = await seeded(t, (each) => progress.push(each))
  const other = await seeded(t)
  t.same(one.result, { seeded: true, ...counts })
  t.same(progress.at(-1), { step: 'indexes', done: 30_340, total: 30_340 })
  t.same(await digest(one.sql), await digest(other.sql))

  const [spread] = await one.sql`
    select min(id) as first, max(id) as last, count(*) as orders, count(distinct user_id) as users,
      count(distinct product_id) as products, count(distinct created_at::date) as days, count(distinct status) as statuses,
      bool_and(total_cents = quantity * (select price_cents from products where id = product_id)) as totals
    from orders`
  t.same(spread, {
    first: 1,
    last: counts.orders,
    orders: counts.orders,
    users: counts.users,
    products: counts.products,
    days: 365,
    statuses: 4,
    totals: true,
  })
  const [dropped] = await one.sql`
    select (select count(*) from pg_indexes where tablename = 'orders') as indexes,
      (select count(*) from pg_constraint where conrelid = 'orders'::regclass and contype = 'f') as keys`
  t.same(dropped, { indexes: 7, keys: 2 }, 'what was dropped for the load is there again')
})

t.test('the next row gets the next id, and a database with rows is left alone', async (t) => {
  const { url, database, sql } = await seeded(t)
  const before = await digest(sql)
  t.same(await seed({ url, users: 5, products: 5, orders: 5 }), {
    seeded: false,
    users: 5,
    products: 5,
    orders: 5,
  })
  t.same(await digest(sql), before)
  const user = await database.primary.first(insertUser, { email: 'new@example.com', name: 'New' })
  t.equal(user?.id, counts.users + 1)
  const order = await database.primary.first(insertOrder, { userId: 1, productId: 1, quantity: 1 })
  t.equal(order?.id, counts.orders + 1)
})

t.test('two seeds at once make one', async (t) => {
  const { url } = await testDatabase(t, { from: 'empty' })
  await migrate({ url })
  const results = await Promise.all([1, 2].map(() => seed({ url, users: 10, products: 2, orders: 50 })))
  t.same(results.map(({ seeded }) => seeded).sort(), [false, true])
})

t.test('counts that make no sense are refused before anything is done', async (t) => {
  await t.rejects(seed({ url: 'postgres://127.0.0.1:1/none', users: -1 }), RangeError)
  await t.rejects(seed({ url: 'postgres://127.0.0.1:1/none', users: 0 }), RangeError)
})
