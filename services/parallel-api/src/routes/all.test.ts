import { once } from 'node:events'
import { Agent, request } from 'node:http'
import { until } from '@reference/local-stack'
import { Order } from '@reference/shop/orders/model'
import { Product } from '@reference/shop/products/model'
import { User } from '@reference/shop/users/model'
import t from 'tap'
import { Type } from 'typebox'
import { Errors } from 'typebox/value'
import { lockTable, startApi, type TestApi } from '../testing/test-api.ts'

const api = await startApi(t)

/** A test run may turn sharing off. */
const SHARING = { skip: process.env.SHARED_READS === 'off' && 'SHARED_READS is off' }
const { get, sql } = api

const Body = Type.Object(
  { users: Type.Array(User), orders: Type.Array(Order), products: Type.Array(Product) },
  { additionalProperties: false },
)

/** Waits until the service has no statement in the server. */
const nothingRuns = ({ runningQueries }: TestApi) =>
  until('no query is left', async () => (await runningQueries()).length === 0)

t.test('returns the requested number of rows of each, in the form of the model', async (t) => {
  const { status, headers, body } = await get('/all?limit=7')
  t.equal(status, 200)
  t.equal(headers['content-type'], 'application/json; charset=utf-8')
  t.same(Errors(Body, body), [])
  t.same([body.users.length, body.orders.length, body.products.length], [7, 7, 7])
  t.same(Object.keys(body), ['users', 'orders', 'products'])
})

t.test('returns the rows of the database: users and products by id, orders newest first', async (t) => {
  const { body } = await get('/all?limit=3')
  const [user] = await sql`select id, email, name, created_at from users order by id limit 1`
  t.same(body.users[0], {
    id: user?.id,
    email: user?.email,
    name: user?.name,
    createdAt: user?.created_at.toISOString(),
  })
  const orders = await sql`select id from orders order by created_at desc, id desc limit 3`
  t.same(
    body.orders.map(({ id }: { id: number }) => id),
    orders.map(({ id }) => id),
  )
  const [product] =
    await sql`select id, name, category, price_cents as "priceCents" from products order by id`
  t.same(body.products[0], product)
})

t.test('returns 100 rows of each by default, and 500 at most', async (t) => {
  t.equal((await get('/all')).body.users.length, 100)
  const { body } = await get('/all?limit=500')
  t.same([body.users.length, body.orders.length, body.products.length], [500, 500, 100])
})

t.test('text that JSON must escape arrives unchanged', async (t) => {
  const name = 'a "quoted" \\ name\n with 漢字, \u2028 and 😀'
  const [before] = await sql`select name from users where id = 1`
  await sql`update users set name = ${name} where id = 1`
  t.equal((await get('/all?limit=1')).body.users[0].name, name)
  await sql`update users set name = ${before?.name} where id = 1`
})

for (const [query, field] of [
  ['limit=0', 'limit'],
  ['limit=501', 'limit'],
  ['limit=1e2', 'limit'],
  ['limit=', 'limit'],
  ['limit=1&limit=2', 'limit'],
  ['partial=yes', 'partial'],
  ['other=1', 'other'],
]) {
  t.test(`?${query} is 400 and names ${field}`, async (t) => {
    const { status, headers, body } = await get(`/all?${query}`)
    t.equal(status, 400)
    t.equal(headers['content-type'], 'application/problem+json')
    t.equal(body.errors[0].field, field)
  })
}

t.test('with PARALLEL_FETCH=off the reply is the same', async (t) => {
  const sequential = await startApi(t, { PARALLEL_FETCH: 'off' }, { database: api.database })
  t.equal((await sequential.get('/all?limit=5')).text, (await get('/all?limit=5')).text)
})

t.test('fetches all parts in parallel, or one after the other', async (t) => {
  const sequential = await startApi(t, { PARALLEL_FETCH: 'off' }, { database: api.database })
  for (const [{ get, lockWaits }, waits] of [
    [api, 3],
    [sequential, 1],
  ] as const) {
    const locks = await Promise.all(['users', 'orders', 'products'].map((table) => lockTable(sql, table)))
    const answer = get('/all?limit=1')
    await until(`${waits} parts wait`, async () => (await lockWaits()) === waits)
    await Promise.all(locks.map((lock) => lock.release()))
    t.equal((await answer).status, 200)
  }
})

t.test('a failed part is a 502 that names it, and the others are cancelled in the server', async (t) => {
  const lock = await lockTable(sql, 'users')
  await sql`alter table products rename to products_moved`
  const answer = get('/all?limit=2')
  const { status, headers, body } = await answer
  t.equal(status, 502)
  t.equal(headers['content-type'], 'application/problem+json')
  t.match(body, { code: 'PART_FAILED', detail: 'products could not be fetched' })
  t.notMatch(JSON.stringify(body), /relation|products_moved/)
  await nothingRuns(api)
  await sql`alter table products_moved rename to products`
  await lock.release()
  t.equal((await get('/all?limit=2')).status, 200)
})

t.test('partial returns the lists that there are and names the failed ones', async (t) => {
  await sql`alter table orders rename to orders_moved`
  const { status, body } = await get('/all?limit=2&partial=true')
  await sql`alter table orders_moved rename to orders`
  t.equal(status, 200)
  t.same(Object.keys(body), ['users', 'products', 'errors'])
  t.equal(body.users.length, 2)
  t.same(body.errors, [{ part: 'orders', message: 'orders could not be fetched' }])
  t.same((await get('/all?limit=2&partial=true')).body.errors, [])
})

t.test('the queries of a client that disconnects are cancelled', async (t) => {
  const lock = await lockTable(sql, 'orders')
  const client = new AbortController()
  const answer = get('/all', { signal: client.signal })
  await until('orders waits', async () => (await api.lockWaits()) === 1)
  client.abort()
  await t.rejects(answer)
  await nothingRuns(api)
  await lock.release()
})

t.test('on a kept-alive connection only the queries of the disconnected client are cancelled', async (t) => {
  const agent = new Agent({ keepAlive: true, maxSockets: 1 })
  t.teardown(() => agent.destroy())
  const call = () => request(`${api.origin}/all?limit=1`, { agent }).end()
  for (let i = 0; i < 2; i++) {
    const [response] = await once(call(), 'response')
    t.equal(response.statusCode, 200)
    await response.resume().toArray()
  }
  const lock = await lockTable(sql, 'orders')
  const waiting = call()
  waiting.on('error', () => {})
  await until('orders waits', async () => (await api.lockWaits()) === 1)
  t.ok(waiting.reusedSocket)
  waiting.destroy()
  await nothingRuns(api)
  await lock.release()
})

t.test('past its deadline the reply is a 502, and nothing is left in the server', async (t) => {
  const hasty = await startApi(t, {}, { database: api.database, deadlines: { allMs: 1_000 } })
  // It makes the connections, which on a busy machine take longer than the deadline.
  await until('the service is warm', async () => (await hasty.get('/all')).status === 200)
  const lock = await lockTable(sql, 'orders')
  const whole = await hasty.get('/all')
  t.match(whole, {
    status: 502,
    body: { code: 'PART_TIMED_OUT', detail: 'orders took longer than 1000 ms' },
  })
  const partial = await hasty.get('/all?partial=true&limit=1')
  t.equal(partial.status, 200)
  t.same(partial.body.errors, [{ part: 'orders', message: 'orders took longer than 1000 ms' }])
  t.equal(partial.body.users.length, 1)
  await nothingRuns(hasty)
  await lock.release()
})

t.test(
  'identical calls share a run, which is cancelled when the last of its clients has left',
  SHARING,
  async (t) => {
    const lock = await lockTable(sql, 'orders')
    const call = () => {
      const client = new AbortController()
      const answer = get('/all?limit=3', { signal: client.signal })
      answer.catch(() => {})
      return { client, answer }
    }
    const first = call()
    await until('the first run waits', async () => (await api.lockWaits()) === 1)
    const late = [call(), call()]
    await until('all calls have arrived', async () => (await inFlight()) === 4)
    t.equal(await api.lockWaits(), 1)
    const [running] = await lockedSessions()
    first.client.abort()
    await until('the queued run waits', async () => {
      const [session] = await lockedSessions()
      return session !== undefined && session.started > (running?.started ?? 0)
    })
    for (const [left, { client, answer }] of late.entries()) {
      t.equal(await api.lockWaits(), 1)
      client.abort()
      await t.rejects(answer)
      await until('the call has ended', async () => (await inFlight()) === 2 - left)
    }
    await nothingRuns(api)
    await lock.release()
    t.equal((await get('/all?limit=3')).status, 200)
  },
)

t.test('a failure reaches the callers of its run and no others', SHARING, async (t) => {
  const lock = await lockTable(sql, 'orders')
  const failing = get('/all?limit=4')
  await until('the first run waits', async () => (await api.lockWaits()) === 1)
  const late = [get('/all?limit=4'), get('/all?limit=4')]
  await until('all calls have arrived', async () => (await inFlight()) === 4)
  for (const { pid } of await lockedSessions()) await sql`select pg_cancel_backend(${pid})`
  t.match(await failing, { status: 502, body: { code: 'PART_FAILED' } })
  await lock.release()
  for (const answer of late) t.equal((await answer).status, 200)
})

t.test('different calls, and with SHARED_READS=off identical ones, do not wait for each other', async (t) => {
  const alone = await startApi(t, { SHARED_READS: 'off' }, { database: api.database })
  for (const [{ get, lockWaits }, paths] of [
    [api, ['/all?limit=5', '/all?limit=6', '/all?limit=5&partial=true']],
    [alone, ['/all?limit=5', '/all?limit=5', '/all?limit=5']],
  ] as const) {
    const lock = await lockTable(sql, 'orders')
    const answers = paths.map((path) => get(path))
    await until('each waits in the database', async () => (await lockWaits()) === 3)
    await lock.release()
    for (const answer of answers) t.equal((await answer).status, 200)
  }
})

/** Requests in flight, the one that reads the metrics included. */
async function inFlight(): Promise<number> {
  return Number(/^http_requests_in_flight (\d+)/m.exec((await get('/metrics')).text)?.[1])
}

/** The service's sessions that wait for a lock, and when their statements began. */
function lockedSessions() {
  return sql<{ pid: number; started: number }[]>`
    select pid, extract(epoch from query_start)::float8 as started from pg_stat_activity
    where datname = current_database() and application_name like 'parallel-api%' and wait_event_type = 'Lock'`
}
