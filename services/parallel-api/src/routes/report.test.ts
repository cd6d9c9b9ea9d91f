import { until } from '@reference/local-stack'
import t from 'tap'
import { lockTable, startApi, type TestApi } from '../testing/test-api.ts'

const api = await startApi(t)
const { get, sql, database } = api

/** The rows that the report must equal, as the contract defines them. */
const groupBy = (sql: TestApi['sql']) => sql`
  select p.category, to_char(o.created_at at time zone 'UTC', 'YYYY-MM-DD') as day,
    count(*)::int as orders, sum(o.total_cents)::float8 as "revenueCents"
  from orders o join products p on p.id = o.product_id
  group by 1, 2 order by p.category collate "C", 2`

const plain = (rows: unknown) => JSON.parse(JSON.stringify(rows))

const nothingRuns = ({ runningQueries }: TestApi) =>
  until('no query is left', async () => (await runningQueries()).length === 0)

t.test('equals one GROUP BY with every engine', async (t) => {
  const main = await startApi(t, { WORKER_THREADS: '0' }, { database })
  const sequential = await startApi(t, { PARALLEL_FETCH: 'off' }, { database })
  const rows = plain(await groupBy(sql))
  t.ok(rows.length > 100)
  t.same((await get('/report')).body, { engine: 'workers', rows })
  t.same((await get('/report?engine=workers')).body, { engine: 'workers', rows })
  t.same((await get('/report?engine=sql')).body, { engine: 'sql', rows })
  t.same((await main.get('/report')).body, { engine: 'main', rows })
  t.same((await sequential.get('/report')).body, { engine: 'workers', rows })
})

t.test('includes new orders: other days and categories, large sums, gaps in the ids', async (t) => {
  await sql`insert into products (name, category, price_cents) values
    ('a', 'ünlü', 1), ('b', 'Zoo', 1), ('c', '😀', 1), ('d', '', 1), ('e', 'quote " and \\', 1)`
  await sql`select setval('orders_id_seq', 4000000)`
  await sql`insert into orders (user_id, product_id, quantity, total_cents, created_at)
    select 1, id, 1, 4503599627370495, moment::timestamptz from products,
      unnest(array['1969-12-31T23:59:59.999Z', '2026-02-28T23:59:59.999Z', '2026-03-01T00:00:00Z', '2999-01-01T12:00:00+14']) as moment
    where id > 100 and category <> 'Zoo'`
  await sql`insert into orders (user_id, product_id, quantity, total_cents) select 1, id, 1, 1 from products where category = 'Zoo'`
  const rows = plain(await groupBy(sql))
  t.same((await get('/report')).body.rows, rows)
  t.same((await get('/report?engine=sql')).body.rows, rows)
})

t.test('without orders has no rows', async (t) => {
  const empty = await startApi(t)
  await empty.sql`truncate orders`
  t.same((await empty.get('/report')).body, { engine: 'workers', rows: [] })
  t.same((await empty.get('/report?engine=sql')).body, { engine: 'sql', rows: [] })
})

t.test('works with a pool of one connection', async (t) => {
  const narrow = await startApi(t, { DB_POOL_MAX: '1' }, { database })
  t.equal((await narrow.get('/report')).text, (await get('/report')).text)
})

for (const [query, field] of [
  ['engine=rust', 'engine'],
  ['engine=', 'engine'],
  ['engine=sql&engine=sql', 'engine'],
  ['limit=1', 'limit'],
]) {
  t.test(`?${query} is 400 and names ${field}`, async (t) => {
    const { status, body } = await get(`/report?${query}`)
    t.equal(status, 400)
    t.equal(body.errors[0].field, field)
  })
}

/** A number from the service's metrics. */
async function metric(line: RegExp): Promise<number> {
  return Number(line.exec((await get('/metrics')).text)?.[1] ?? 0)
}
const computed = () => metric(/^worker_pool_task_duration_seconds_count\{outcome="ok"\} (\d+)/m)
/** Including the request that reads the metrics. */
const inFlight = () => metric(/^http_requests_in_flight (\d+)/m)

t.test('callers during a report share the next one', async (t) => {
  const lock = await lockTable(sql, 'orders')
  const first = get('/report')
  await until('the first waits in the database', async () => (await api.lockWaits()) === 1)
  const before = await computed()
  const late = [get('/report'), get('/report'), get('/report')]
  await until('all have arrived', async () => (await inFlight()) === 5)
  t.equal(await api.lockWaits(), 1)
  await lock.release()
  const [{ text }, ...after] = await Promise.all([first, ...late])
  for (const answer of after) t.equal(answer.text, text)
  t.equal(await computed(), before + 2)
})

t.test('the queries of a client that disconnects are cancelled', async (t) => {
  for (const path of ['/report', '/report?engine=sql']) {
    const lock = await lockTable(sql, 'orders')
    const client = new AbortController()
    const answer = get(path, { signal: client.signal })
    await until('a query waits', async () => (await api.lockWaits()) === 1)
    client.abort()
    await t.rejects(answer)
    await nothingRuns(api)
    await lock.release()
    t.equal((await get(path)).status, 200)
  }
})

t.test('past its deadline the reply is a 504, and nothing is left in the server', async (t) => {
  const hasty = await startApi(t, {}, { database, deadlines: { reportMs: 300 } })
  const lock = await lockTable(sql, 'orders')
  for (const path of ['/report', '/report?engine=sql']) {
    const { status, headers, body } = await hasty.get(path)
    t.equal(status, 504)
    t.equal(headers['content-type'], 'application/problem+json')
    t.match(body, { code: 'REPORT_TIMED_OUT', detail: 'The report took longer than 300 ms' })
  }
  // One waits in the database, the other for the run in flight; each has its own deadline.
  const statuses = await Promise.all([hasty.get('/report'), hasty.get('/report')])
  t.same(
    statuses.map(({ status }) => status),
    [504, 504],
  )
  await nothingRuns(hasty)
  await lock.release()
})

t.test('a failed chunk ends the others, and the service answers the next call', async (t) => {
  await sql`alter table orders rename column total_cents to cents_moved`
  const { status, text } = await get('/report')
  await sql`alter table orders rename column cents_moved to total_cents`
  t.equal(status, 500)
  t.notMatch(text, 'cents_moved')
  await nothingRuns(api)
  t.equal((await get('/report')).status, 200)
})

t.test('cached=true returns a report that was computed within the TTL, with its age', async (t) => {
  const api = await startApi(t, { RESPONSE_CACHE_TTL_SECONDS: '600' })
  const first = await api.get('/report?cached=true')
  t.match(first.headers, { 'x-cache': 'miss', age: /^\d$/, 'cache-control': 'max-age=600' })
  t.equal(first.headers['content-type'], 'application/json; charset=utf-8')
  await api.sql`delete from orders where id <= 1000`
  const again = await api.get('/report?cached=true')
  t.match(again.headers, { 'x-cache': 'l1', age: /^\d+$/, 'cache-control': 'max-age=600' })
  t.equal(again.text, first.text)
  const anew = await api.get('/report')
  t.notOk(anew.headers['x-cache'] ?? anew.headers.age ?? anew.headers['cache-control'])
  t.same(anew.body.rows, plain(await groupBy(api.sql)), 'the call without cached=true is as of the request')
  t.not(anew.text, first.text)
  const sql = await api.get('/report?cached=true&engine=sql')
  t.equal(sql.headers['x-cache'], 'miss', 'each engine has an entry of its own')
  t.same(sql.body.rows, anew.body.rows)
})

t.test('after its TTL a cached report is computed again', async (t) => {
  const api = await startApi(t, { RESPONSE_CACHE_TTL_SECONDS: '1' }, { database })
  const first = await api.get('/report?cached=true')
  await until('it has expired', async () => {
    const { headers } = await api.get('/report?cached=true')
    t.ok(Number(headers.age) <= 1)
    return headers['x-cache'] === 'miss'
  })
  t.equal(first.headers['x-cache'], 'miss')
})

t.test('without tier 1 nothing is cached, and x-cache is off', async (t) => {
  const api = await startApi(t, { CACHE_L1: 'off' }, { database })
  for (let i = 0; i < 2; i++) t.equal((await api.get('/report?cached=true')).headers['x-cache'], 'off')
})

t.test('all callers without a cached report share one, although the first of them leaves', async (t) => {
  const api = await startApi(t, {}, { database })
  const lock = await lockTable(sql, 'orders')
  const client = new AbortController()
  const leaving = api.get('/report?cached=true', { signal: client.signal })
  await until('it waits in the database', async () => (await api.lockWaits()) === 1)
  const staying = Array.from({ length: 5 }, () => api.get('/report?cached=true'))
  const inFlight = async () => /^http_requests_in_flight (\d+)/m.exec((await api.get('/metrics')).text)?.[1]
  await until('all have arrived', async () => (await inFlight()) === '7')
  t.equal(await api.lockWaits(), 1)
  client.abort()
  await t.rejects(leaving)
  await lock.release()
  const [one, ...others] = await Promise.all(staying)
  t.equal(one?.status, 200)
  for (const other of others) t.equal(other.text, one?.text)
  const { text } = await api.get('/metrics')
  t.match(text, 'worker_pool_task_duration_seconds_count{outcome="ok"} 1')
})

t.test('a report that fails is not cached', async (t) => {
  const api = await startApi(t, {}, { database, deadlines: { reportMs: 2_000 } })
  // The first report starts a thread, for which a busy machine can take longer than the deadline and the cache's limit.
  await until('a report succeeds', async () => (await api.get('/report')).status === 200)
  const lock = await lockTable(sql, 'orders')
  t.match(await api.get('/report?cached=true'), { status: 504, body: { code: 'REPORT_TIMED_OUT' } })
  await nothingRuns(api)
  await lock.release()
  const { headers } = await until('it is computed again', async () => {
    const answer = await api.get('/report?cached=true')
    return answer.status === 200 && answer
  })
  t.equal(headers['x-cache'], 'miss')
})
