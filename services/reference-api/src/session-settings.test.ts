import { type TestDatabase, testDatabase, until } from '@reference/local-stack'
import postgres from 'postgres'
import t from 'tap'
import { type Call, startApi } from './testing/test-api.ts'

/** A busy machine sheds load. The call was then not executed, and is repeated. */
const patient =
  (call: Call): Call =>
  (...request) =>
    until('the call is taken', async () => {
      const answer = await call(...request)
      return answer.body?.code !== 'OVERLOADED' && answer
    })

/** Each changes the meaning of statements or the form of results. */
const OTHER_SETTINGS = [
  "DateStyle = 'SQL', 'DMY'",
  "IntervalStyle = 'sql_standard'",
  "TimeZone = 'Asia/Kathmandu'",
  "bytea_output = 'escape'",
  'extra_float_digits = -15',
  'standard_conforming_strings = off',
  'backslash_quote = on',
  "default_transaction_isolation = 'serializable'",
  'search_path = elsewhere',
] as const

async function change(database: TestDatabase, who: (name: string) => string): Promise<void> {
  const sql = postgres(database.superuserUrl, { max: 1, onnotice: () => {} })
  try {
    await sql.unsafe(`create schema elsewhere; create table elsewhere.users (id int, email text, name text, created_at timestamptz);
      insert into elsewhere.users values (1, 'wrong@example.com', 'Wrong', now());
      create table elsewhere.cache_outbox (id int); grant usage on schema elsewhere to public; grant select on elsewhere.users to public;
      update public.orders set created_at = '2025-06-05 10:20:30.5Z' where id = 7;
      update public.orders set created_at = '2031-12-24 23:59:59.999Z' where id = 8;
      update public.orders set created_at = '2031-06-05 00:00:00Z' where id = 9`)
    for (const setting of OTHER_SETTINGS) await sql.unsafe(`alter ${who(database.name)} set ${setting}`)
  } finally {
    await sql.end()
  }
}

const levels: [string, (name: string) => string][] = [
  ['the database', (name) => `database ${name}`],
  ['the role in the database', (name) => `role reference in database ${name}`],
]
for (const [level, who] of levels) {
  t.test(`settings of ${level} do not change what is read and written`, async (t) => {
    const database = await testDatabase(t)
    await change(database, who)
    const api = await startApi(t, { DATABASE_URL: database.url }, { redis: false })
    const call = patient(api.call)

    t.equal((await call('GET', '/orders/7')).body.createdAt, '2025-06-05T10:20:30.500Z')
    const first = await call('GET', '/orders?limit=1')
    t.match(first.body.items, [{ id: 8, createdAt: '2031-12-24T23:59:59.999Z' }])
    const second = await call('GET', `/orders?limit=1&after=${first.body.next}`)
    t.match(
      second.body.items,
      [{ id: 9, createdAt: '2031-06-05T00:00:00.000Z' }],
      'the cursor is a moment too',
    )

    t.match((await call('GET', '/users/1')).body, { id: 1, name: /^(?!Wrong$)/ })
    const name = String.raw`back\slash \' and "quotes"`
    t.match(await call('PATCH', '/users/1', { body: { name } }), { status: 200, body: { name } })
    const order = await call('POST', '/orders', { body: { userId: 1, productId: 1, quantity: 1 } })
    t.equal(order.status, 201)
    const age = Date.now() - Date.parse(order.body.createdAt)
    t.ok(Math.abs(age) < 3_600_000, `an order that was just made is dated ${order.body.createdAt}`)
    t.match(order.body.createdAt, /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/)
    t.match(await call('PUT', '/config/a', { body: { value: { b: String.raw`\u0041\\` } } }), { status: 201 })

    const patches = await Promise.all(
      Array.from({ length: 20 }, (_, n) => call('PATCH', '/users/2', { body: { name: `name ${n}` } })),
    )
    t.same([...new Set(patches.map(({ status }) => status))], [200])

    // part:jobs
    const job = await call('POST', '/process-data', { body: { a: String.raw`\ '` } })
    t.equal(job.status, 202)
    const done = await until('the job is done', async () => {
      const { body } = await call('GET', `/jobs/${job.body.jobId}`)
      return body.state === 'completed' && body
    })
    t.match(done, { attempts: 1, error: null })
    // end:jobs
  })
}

t.test('with a read-only database reads are answered, and writes are a 503', async (t) => {
  const database = await testDatabase(t)
  const { sql } = await startApi(t, { DATABASE_URL: database.url }, { redis: false })
  await sql.unsafe(`alter database ${database.name} set default_transaction_read_only = on`)
  const api = await startApi(t, { DATABASE_URL: database.url }, { redis: false })
  const call = patient(api.call)
  t.equal((await call('GET', '/users/1')).status, 200)
  const refused = { status: 503, headers: { 'retry-after': '1' }, body: { code: 'DB_UNAVAILABLE' } }
  t.match(await call('PATCH', '/users/1', { body: { name: 'New' } }), refused)
  t.match(await call('POST', '/orders', { body: { userId: 1, productId: 1, quantity: 1 } }), refused)
})
