import { until } from '@reference/local-stack'
import t from 'tap'
import { startApi, type TestApi } from './testing/test-api.ts'

/** Drops every check of the application's tables, as in a database from before the checks. Returns their number. */
const dropChecks = async ({ sql }: TestApi): Promise<number> => {
  const checks = await sql<{ table: string; name: string }[]>`
    select conrelid::regclass::text as table, conname as name from pg_constraint
    where contype = 'c' and connamespace = 'public'::regnamespace and conrelid <> 'installation'::regclass`
  for (const { table, name } of checks) await sql`alter table ${sql(table)} drop constraint ${sql(name)}`
  return checks.length
}

const moments = [
  'infinity',
  '-infinity',
  '20000-01-01 00:00:00+00',
  '10000-01-01 00:00:00+00',
  '0044-03-15 00:00:00+00 BC',
  '0001-12-31 23:59:59.999+00 BC',
]
/** The first and last timestamps that the API shows. */
const fine = [
  '0001-01-01T00:00:00.000Z',
  '1969-12-31T23:59:59.999Z',
  '5138-11-16T09:46:40.001Z',
  '9999-12-31T23:59:59.999Z',
]

const walk = async ({ call }: TestApi, path: string, limit: number) => {
  const items: { id: number; createdAt: string }[] = []
  for (let after = ''; ; ) {
    const { status, body } = await call(
      'GET',
      `${path}${path.includes('?') ? '&' : '?'}limit=${limit}${after}`,
    )
    if (status !== 200) throw new Error(`${status} ${JSON.stringify(body)}`)
    items.push(...body.items)
    if (body.next === null) return items
    if (body.items.length !== limit) throw new Error('a page that is not the last one is not full')
    after = `&after=${body.next}`
  }
}

t.test('the schema refuses rows that the API cannot represent', async (t) => {
  const { sql } = await startApi(t)
  const refused = async (statement: PromiseLike<unknown>, constraint: string) => {
    const error: unknown = await statement.then(
      () => undefined,
      (error: unknown) => error,
    )
    t.match(error, { code: '23514', constraint_name: constraint })
  }
  for (const moment of moments) {
    await refused(
      sql`insert into orders (user_id, product_id, quantity, total_cents, created_at) values (1, 1, 1, 1, ${moment}::text::timestamptz)`,
      'orders_created_at_check',
    )
    await refused(
      sql`update users set created_at = ${moment}::text::timestamptz where id = 1`,
      'users_created_at_check',
    )
    await refused(
      sql`insert into settings (key, value, updated_at) values ('k', '1', ${moment}::text::timestamptz)`,
      'settings_updated_at_check',
    )
  }
  await refused(
    sql`update orders set total_cents = 9007199254740992 where id = 1`,
    'orders_total_cents_exact_check',
  )
  for (const email of ['', '@', 'a', 'a@', '@b', 'a@b@c', 'a@@c']) {
    await refused(sql`update users set email = ${email} where id = 1`, 'users_email_check')
  }
  for (const moment of fine) await sql`update orders set created_at = ${moment} where id = 1`
})

t.test(
  'a row that breaks a dropped check is left out of lists, and is a 500 with its own code by its id',
  async (t) => {
    const api = await startApi(t, { CACHE_PAGE_TTL_MS: '0' })
    const { call, sql } = api
    await sql`delete from orders where id > 60`
    await dropChecks(api)
    for (const [n, moment] of moments.entries()) {
      await sql`update orders set created_at = ${moment}::text::timestamptz where id = ${1 + n}`
      await sql`update users set created_at = ${moment}::text::timestamptz where id = ${1 + n}`
    }
    await sql`update orders set status = 'refunded' where id = 11`
    await sql`update orders set total_cents = -1 where id = 12`
    await sql`update orders set total_cents = 9007199254740992 where id = 13`
    await sql`update orders set quantity = 0 where id = 14`
    await sql`update users set email = 'none' where id = 11`
    await sql`update users set name = '' where id = 12`
    await sql`update products set price_cents = -1 where id = 11`
    for (const [n, moment] of fine.entries())
      await sql`update orders set created_at = ${moment} where id = ${21 + n}`

    const bad = {
      orders: [1, 2, 3, 4, 5, 6, 11, 12, 13, 14],
      users: [1, 2, 3, 4, 5, 6, 11, 12],
      products: [11],
    }
    const listed =
      await sql`select id from orders where id <> all(${bad.orders}) order by created_at desc, id desc`
    for (const limit of [1, 7, 500]) {
      const items = await walk(api, '/orders', limit)
      t.same(
        items.map(({ id }) => id),
        listed.map(({ id }) => id),
        `pages of ${limit}`,
      )
      for (const { createdAt } of items) t.match(createdAt, /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/)
      for (const moment of fine)
        t.ok(
          items.some(({ createdAt }) => createdAt === moment),
          moment,
        )
    }
    const users = (await walk(api, '/users', 499)).map(({ id }) => id)
    t.same(
      bad.users.filter((id) => users.includes(id)),
      [],
    )
    t.equal(users.length, 1000 - bad.users.length)
    t.equal((await walk(api, '/products', 10)).length, 99)

    for (const [table, ids] of Object.entries(bad)) {
      for (const id of ids) {
        const answer = await call('GET', `/${table}/${id}`)
        t.match(answer, { status: 500, body: { code: 'ROW_NOT_REPRESENTABLE' } }, `${table} ${id}`)
        t.match(answer.body.detail, new RegExp(`${table.slice(0, -1)} ${id} `))
      }
    }
    t.match(await call('PATCH', '/users/1', { body: { name: 'New' } }), {
      status: 500,
      body: { code: 'ROW_NOT_REPRESENTABLE' },
    })
    t.notSame(await sql`select name from users where id = 1`, [{ name: 'New' }])
    t.match(await call('PATCH', '/users/11', { body: { email: 'mended@example.com' } }), { status: 200 })
    t.equal((await call('GET', '/users/11')).status, 200)

    // A check that is not validated applies to each row that is written.
    await sql`alter table users add constraint users_created_at_check check (created_at < '9999-12-31') not valid`
    t.match(await call('PATCH', '/users/1', { body: { name: 'New' } }), {
      status: 500,
      body: { code: 'ROW_NOT_REPRESENTABLE' },
    })
  },
)

t.test('checks that are not in force are counted, and so are the rows that break them', async (t) => {
  const first = await startApi(t)
  await until('no check is missing', async () =>
    (await first.call('GET', '/metrics')).raw.toString().includes('\ndb_row_checks_missing 0\n'),
  )
  const dropped = await dropChecks(first)
  await first.sql`update orders set created_at = 'infinity' where id <= 3`
  await first.sql`alter table orders add constraint orders_quantity_check check (quantity > 0) not valid`
  const { call } = await startApi(t, {}, { on: first })
  const metrics = await until('the checks are missed', async () => {
    const text = (await call('GET', '/metrics')).raw.toString()
    return text.includes(`\ndb_row_checks_missing ${dropped}\n`) && text
  })
  const line = (constraint: string, rows: number) =>
    `db_rows_not_representable{table="orders",constraint="${constraint}"} ${rows}`
  t.match(metrics, line('orders_created_at_check', 3))
  t.match(metrics, line('orders_quantity_check', 0))
})
