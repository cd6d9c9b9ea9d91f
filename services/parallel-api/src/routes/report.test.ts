import { until } from '@reference/local-stack'
import t from 'tap'
import { lockTable, startApi, type TestApi } from '../testing.ts'

const api = await startApi(t)
const { get, sql, database } = api

/** What the report must equal, in the words of the contract. */
const groupBy = (sql: TestApi['sql']) => sql`
  select p.category, to_char(o.created_at at time zone 'UTC', 'YYYY-MM-DD') as day,
    count(*)::int as orders, sum(o.total_cents)::float8 as "revenueCents"
  from orders o join products p on p.id = o.product_id
  group by 1, 2 order by p.category collate "C", 2`

const plain = (rows: unknown) => JSON.parse(JSON.stringify(rows))

const nothingRuns = ({ runningQueries }: TestApi) =>
  until('no query is left', async () => (await runningQueries()).length === 0)

t.test('equals one GROUP BY, whoever adds up', async (t) => {
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

t.test(
  'counts what has just been added: other days, categories, large sums, gaps among the ids',
  async (t) => {
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
  },
)

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

/** The first report starts a thread, which a busy machine can take longer for than a short deadline. */
const threadStarted = (get: TestApi['get']) =>
  until('the thread has started', async () => (await get('/report')).status === 200)

/** A figure of the service's own. */
async function figure(line: RegExp): Promise<number> {
  return Number(line.exec((await get('/metrics')).text)?.[1] ?? 0)
}
const computed = () => figure(/^worker_pool_task_duration_seconds_count\{outcome="ok"\} (\d+)/m)
/** The one that asks included. */
const inFlight = () => figure(/^http_requests_in_flight (\d+)/m)

t.test('who asks during a report gets the next one, together with all others who wait', async (t) => {
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

t.test('a client that goes away takes its queries with it', async (t) => {
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

t.test('past its deadline it is a 504, and nothing is left in the server', async (t) => {
  const hasty = await startApi(t, {}, { database, deadlines: { reportMs: 300 } })
  await threadStarted(hasty.get)
  const lock = await lockTable(sql, 'orders')
  for (const path of ['/report', '/report?engine=sql']) {
    const { status, headers, body } = await hasty.get(path)
    t.equal(status, 504)
    t.equal(headers['content-type'], 'application/problem+json')
    t.match(body, { code: 'REPORT_TIMED_OUT', detail: 'The report took longer than 300 ms' })
  }
  // While one waits in the database another waits for its turn; neither gets more time than its own.
  const statuses = await Promise.all([hasty.get('/report'), hasty.get('/report')])
  t.same(
    statuses.map(({ status }) => status),
    [504, 504],
  )
  await nothingRuns(hasty)
  await lock.release()
})

t.test('a part that fails ends the others, and the service goes on', async (t) => {
  await sql`alter table orders rename column total_cents to cents_away`
  const { status, text } = await get('/report')
  await sql`alter table orders rename column cents_away to total_cents`
  t.equal(status, 500)
  t.notMatch(text, 'cents_away')
  await nothingRuns(api)
  t.equal((await get('/report')).status, 200)
})

t.test('cached=true answers what was computed within the TTL, and says how old it is', async (t) => {
  const api = await startApi(t, { RESPONSE_CACHE_TTL_SECONDS: '600' })
  const first = await api.get('/report?cached=true')
  t.match(first.headers, { 'x-cache': 'miss', age: '0', 'cache-control': 'max-age=600' })
  t.equal(first.headers['content-type'], 'application/json; charset=utf-8')
  await api.sql`delete from orders where id <= 1000`
  const again = await api.get('/report?cached=true')
  t.match(again.headers, { 'x-cache': 'l1', age: /^\d+$/, 'cache-control': 'max-age=600' })
  t.equal(again.text, first.text)
  const anew = await api.get('/report')
  t.notOk(anew.headers['x-cache'] ?? anew.headers.age ?? anew.headers['cache-control'])
  t.same(anew.body.rows, plain(await groupBy(api.sql)), 'the plain call is as of its question')
  t.not(anew.text, first.text)
  const sql = await api.get('/report?cached=true&engine=sql')
  t.equal(sql.headers['x-cache'], 'miss', 'each engine has an entry of its own')
  t.same(sql.body.rows, anew.body.rows)
})

t.test('after its TTL a cached report is computed anew', async (t) => {
  const api = await startApi(t, { RESPONSE_CACHE_TTL_SECONDS: '1' }, { database })
  const first = await api.get('/report?cached=true')
  await until('it has expired', async () => {
    const { headers } = await api.get('/report?cached=true')
    t.ok(Number(headers.age) <= 1)
    return headers['x-cache'] === 'miss'
  })
  t.equal(first.headers['x-cache'], 'miss')
})

t.test('without tier 1 nothing is kept, and x-cache says so', async (t) => {
  const api = await startApi(t, { CACHE_L1: 'off' }, { database })
  for (let i = 0; i < 2; i++) t.equal((await api.get('/report?cached=true')).headers['x-cache'], 'off')
})

t.test('all who find no cached report share one, though the first of them leaves', async (t) => {
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

t.test('a cached report that fails is not kept', async (t) => {
  const api = await startApi(t, {}, { database, deadlines: { reportMs: 300 } })
  await threadStarted(api.get)
  const lock = await lockTable(sql, 'orders')
  t.match(await api.get('/report?cached=true'), { status: 504, body: { code: 'REPORT_TIMED_OUT' } })
  await nothingRuns(api)
  await lock.release()
  const { headers } = await until('it is computed', async () => {
    const answer = await api.get('/report?cached=true')
    return answer.status === 200 && answer
  })
  t.equal(headers['x-cache'], 'miss')
})
