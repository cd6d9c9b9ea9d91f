import { type Pool, queries, type Statement } from '@reference/database'
import t from 'tap'
import type { Order, OrderStatus } from './orders/model.ts'
import {
  insertOrder,
  NEWEST_ORDER,
  type OrderCursor,
  orderById,
  ordersJson,
  ordersPage,
} from './orders/queries.ts'
import { productById, productsByIds, productsJson, productsPage } from './products/queries.ts'
import { orderChunk, orderIdRange, productCategories, report } from './report/queries.ts'
import { putSetting, settingByKey } from './settings/queries.ts'
import { STATEMENTS } from './statements.ts'
import { open } from './testing/open.ts'
import {
  deleteUser,
  insertUser,
  updateUser,
  userById,
  usersByIds,
  usersJson,
  usersPage,
} from './users/queries.ts'

/** The plan that a statement gets for parameters that are not known, which is the one it keeps. */
async function planOf<Params extends object, Row>(
  pool: Pool,
  statement: Statement<Params, Row>,
): Promise<string> {
  const { text } = statement.compiled()
  return pool.transaction(async (tx) => {
    const { sql } = await import('drizzle-orm')
    await tx.drizzle.execute(sql`set local plan_cache_mode = force_generic_plan`)
    await tx.drizzle.execute(sql.raw(`prepare planned as ${text}`))
    const holders = Array(new Set(text.match(/\$\d+/g)).size).fill('null')
    const call = holders.length === 0 ? 'planned' : `planned(${holders.join(', ')})`
    const rows = await tx.drizzle.execute(sql.raw(`explain execute ${call}`))
    await tx.drizzle.execute(sql`deallocate planned`)
    return rows.map((row) => String(row['QUERY PLAN'])).join('\n')
  })
}

t.test('every hot statement reads by its index and none reads a whole table', async (t) => {
  const { database } = await open(t)
  // Of the template's 100 products every plan reads the only two pages there are.
  await database.primary.sql`insert into products (name, category, price_cents)
    select 'Product ' || n, 'books', n from generate_series(1, 5000) as n`
  await database.primary.sql`analyze products`
  for (const [statement, index] of [
    [userById, 'users_pkey'],
    [usersByIds, 'users_pkey'],
    [usersPage, 'users_pkey'],
    [updateUser, 'users_pkey'],
    [deleteUser, 'users_pkey'],
    [productById, 'products_pkey'],
    [productsPage, 'products_pkey'],
    [orderById, 'orders_pkey'],
    [orderChunk, 'orders_pkey'],
    [insertOrder, 'products_pkey'],
    [ordersPage({}), 'orders_created_at_id_idx'],
    [ordersPage({ userId: 1 }), 'orders_user_id_'],
    [ordersPage({ status: 'paid' }), 'orders_status_created_at_id_idx'],
    [ordersPage({ userId: 1, status: 'paid' }), 'orders_user_id_'],
    [settingByKey, 'settings_pkey'],
    [queries.idempotencyGet, 'idempotency_keys_'],
    [queries.outboxTake, 'cache_outbox_cache_id_idx'],
  ] as const) {
    const plan = await planOf(database.primary, statement as Statement<object, unknown>)
    t.match(plan, index, statement.name)
    t.notMatch(plan, 'Seq Scan', statement.name)
  }
})

t.test('lists are planned once per connection, not at each call', async (t) => {
  const { sql } = await import('drizzle-orm')
  const { database } = await open(t)
  const lists = STATEMENTS.filter((statement) => statement.compiled().text.includes(') as rows limit '))
  t.ok(lists.length >= 9)
  for (const { sample = {}, ...statement } of lists) {
    const [plans] = await database.primary.transaction(async (tx) => {
      // Postgres plans the first five calls for their values, and decides then.
      for (let call = 0; call < 8; call++) await tx.run(statement, sample)
      return tx.drizzle.execute(
        sql`select generic_plans::int, custom_plans::int from pg_prepared_statements
          where statement = ${statement.compiled().text}`,
      )
    })
    t.same(plans, { generic_plans: 3, custom_plans: 5 }, statement.name)
  }
})

t.test('pages of orders hold each order once, in order, even where all share a moment', async (t) => {
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

async function idsOfPages(pool: Pool, filter: { userId?: number; status?: OrderStatus }, limit: number) {
  const ids: number[] = []
  let cursor: OrderCursor | undefined = NEWEST_ORDER
  while (cursor !== undefined) {
    const rows: Order[] = await pool.run(ordersPage(filter), { ...filter, ...cursor, limit })
    ids.push(...rows.map(({ id }) => id))
    const last: Order | undefined = rows.at(-1)
    cursor = rows.length < limit ? undefined : last
  }
  return ids
}

t.test('pages of users and products end where the rows do', async (t) => {
  const { primary } = (await open(t)).database
  for (const [page, total] of [
    [usersPage, 1000],
    [productsPage, 100],
  ] as const) {
    let count = 0
    for (let after: number | undefined = 0; after !== undefined; ) {
      const rows: { id: number }[] = await primary.run<{ after: number; limit: number }, { id: number }>(
        page,
        {
          after,
          limit: 99,
        },
      )
      count += rows.length
      after = rows.at(-1)?.id
    }
    t.equal(count, total)
  }
})

t.test('rows come by their JavaScript names with moments as toISOString writes them', async (t) => {
  const { primary } = (await open(t)).database
  t.same(await primary.first(userById, { id: 1 }), {
    id: 1,
    email: 'alan.almeida.1@example.com',
    name: 'Alan Almeida',
    createdAt: '2024-01-01T00:01:00.000Z',
  })
  const order = await primary.first(orderById, { id: 1 })
  t.strictSame(Object.keys(order ?? {}), [
    ...['id', 'userId', 'productId', 'quantity', 'totalCents', 'status', 'createdAt'],
  ])
  t.equal(await primary.first(userById, { id: 2_147_483_647 }), undefined)
  const byIds = await primary.run(usersByIds, { ids: [3, 1, 999_999] })
  t.same(byIds.map(({ id }) => id).sort(), [1, 3])
  t.same(await primary.run(productsByIds, { ids: [] }), [])
})

t.test('a user is written, changed in part and deleted', async (t) => {
  const { primary } = (await open(t)).database
  const name = 'Zoë "\\" 🙂'
  const user = await primary.first(insertUser, { email: 'zoe@example.com', name })
  t.match(user, { id: 1001, email: 'zoe@example.com', name })
  const renamed = await primary.first(updateUser, { id: 1001, email: null, name: 'Zoe' })
  t.match(renamed, { email: 'zoe@example.com', name: 'Zoe', createdAt: user?.createdAt })
  t.same(await primary.first(deleteUser, { id: 1001 }), { id: 1001 })
  t.equal(await primary.first(deleteUser, { id: 1001 }), undefined)
  t.equal(await primary.first(updateUser, { id: 1001, email: null, name: 'Nobody' }), undefined)
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

t.test('putting a setting says whether it is new', async (t) => {
  const { primary } = (await open(t)).database
  t.match(await primary.first(putSetting, { key: 'a', valueJson: '{"b":[1]}' }), { created: true })
  t.match(await primary.first(putSetting, { key: 'a', valueJson: '"text"' }), { created: false })
  t.match(await primary.first(settingByKey, { key: 'a' }), { key: 'a', value: 'text' })
})

t.test('the outbox gives the oldest first, also while another process removes them', async (t) => {
  const { primary } = (await open(t)).database
  const cache = 'a'
  await primary.run(queries.cacheRegister, { cache, keepMs: 60_000 })
  const keys = ['c:user:1:{1}', 'with "quotes", \\ and ,', 'c:user:1:{3}']
  t.equal((await primary.run(queries.outboxInsert, { keys })).length, 3)
  const take = (pool: Pick<typeof primary, 'run'>, limit: number, minAgeMs = 0) =>
    pool.run(queries.outboxTake, { cache, limit, minAgeMs })
  const seen = await primary.transaction(async (tx) => {
    const mine = await take(tx, 2)
    await tx.run(queries.outboxRemove, { ids: mine.map(({ id }) => id) })
    const others = await take(primary, 2)
    return [mine, others].map((rows) => rows.map(({ key }) => key))
  })
  t.same(seen, [keys.slice(0, 2), keys.slice(0, 2)])
  t.match(await primary.first(queries.outboxStatus, { cache }), { count: 1, oldestAgeSeconds: Number })
  t.same(await take(primary, 2, 60_000), [], 'what is young is left')
  const [left] = await take(primary, 2)
  await primary.run(queries.outboxRemove, { ids: [left?.id ?? 0] })
  t.same(await primary.first(queries.outboxStatus, { cache }), { count: 0, oldestAgeSeconds: null })
})

t.test('lists that Postgres encodes are byte for byte what JSON.stringify makes', async (t) => {
  const { primary } = (await open(t)).database
  const awkward = '" \\ / \b\f\n\r\t \u0001\u001f\u007f é 🙂 \u2028 </script>'
  await primary.sql`update users set name = ${awkward}::text, created_at = '2024-02-29 23:59:59.987Z' where id = 2`
  await primary.sql`update products set name = ${awkward}::text where id = 2`
  await primary.sql`update orders set created_at = '2030-01-01 00:00:00.01Z' where id = 2`
  const limit = 50
  const json = async (statement: Statement<{ limit: number }, { json: string }>) =>
    (await primary.first(statement, { limit }))?.json
  t.equal(await json(usersJson), JSON.stringify(await primary.run(usersPage, { after: 0, limit })))
  t.equal(await json(productsJson), JSON.stringify(await primary.run(productsPage, { after: 0, limit })))
  t.equal(
    await json(ordersJson),
    JSON.stringify(await primary.run(ordersPage({}), { ...NEWEST_ORDER, limit })),
  )
  t.equal((await primary.first(ordersJson, { limit: 0 }))?.json, '[]')
})

t.test('the parts of the orders add up to the report that SQL makes', async (t) => {
  const { primary, cancellable } = (await open(t)).database
  await primary.sql`update orders set created_at = created_at + interval '11 hours 59 minutes'`
  const expected = await primary.run(report, {})
  const sums = new Map<string, { orders: number; revenueCents: number }>()
  await cancellable.snapshot(2, async ([one, two]) => {
    if (one === undefined || two === undefined) throw new Error('two parts were asked for')
    const categories = new Map((await one.run(productCategories, {})).map((row) => [row.id, row.category]))
    const range = await one.first(orderIdRange, {})
    t.same(range, { first: 1, last: 5000 })
    const parts = await Promise.all([
      one.bytes(orderChunk, { from: 1, to: 2500 }),
      two.bytes(orderChunk, { from: 2501, to: 5000 }),
    ])
    for (const order of parts.flatMap((part) => part.toString('latin1').split(';'))) {
      const [product = 0, day = 0, cents = 0] = order.split(',').map(Number)
      const key = `${categories.get(product)} ${new Date(day * 86_400_000).toISOString().slice(0, 10)}`
      const sum = sums.get(key) ?? { orders: 0, revenueCents: 0 }
      sums.set(key, { orders: sum.orders + 1, revenueCents: sum.revenueCents + cents })
    }
    t.equal((await one.bytes(orderChunk, { from: 6000, to: 7000 })).length, 0)
  })
  t.same(
    expected.map(({ category, day }) => `${category} ${day}`),
    [...sums.keys()].sort(),
    'sorted as JavaScript sorts',
  )
  for (const { category, day, ...sum } of expected)
    t.same({ ...sum, revenueCents: Number(sum.revenueCents) }, sums.get(`${category} ${day}`))
})
