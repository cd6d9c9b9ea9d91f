import { testDatabase, until } from '@reference/local-stack'
import t from 'tap'
import { type Scope, startApi } from '../testing/test-api.ts'
import { startUpstream, upstreamOrder, upstreamProduct, upstreamUser } from '../testing/upstream.ts'

const database = await testDatabase(t, { from: 'empty' })

async function start(t: Scope, environment: Record<string, string> = {}, deadlines = {}) {
  const upstream = await startUpstream(t)
  const { get } = await startApi(t, { UPSTREAM_URL: upstream.url, ...environment }, { database, deadlines })
  return { upstream, get }
}

const joined = (id: number) => {
  const order = upstreamOrder(id)
  return { ...order, user: upstreamUser(order.userId), product: upstreamProduct(order.productId) }
}

t.test('joins each order with its user and product', async (t) => {
  const { get } = await start(t)
  const { status, body } = await get('/aggregate?limit=3')
  t.equal(status, 200)
  t.same(body, { items: [30, 29, 28].map(joined) })
})

t.test('fetches 20 orders by default, and each row once', async (t) => {
  const { upstream, get } = await start(t)
  const { body } = await get('/aggregate')
  t.equal(body.items.length, 20)
  const paths = upstream.calls.map(({ path }) => path)
  t.equal(paths[0], '/orders?limit=20')
  t.equal(paths.length, 1 + 10 + 5)
  t.equal(new Set(paths).size, paths.length)
})

for (const query of ['limit=0', 'limit=501', 'limit=x', 'limit=-1', 'after=1']) {
  t.test(`?${query} is 400 and names the field`, async (t) => {
    const { upstream, get } = await start(t)
    const { status, body } = await get(`/aggregate?${query}`)
    t.equal(status, 400)
    t.equal(body.errors[0].field, query.split('=')[0])
    t.equal(upstream.calls.length, 0)
  })
}

t.test('forwards the request id and a valid traceparent', async (t) => {
  const { upstream, get } = await start(t)
  const traceparent = '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01'
  await get('/aggregate?limit=1', { headers: { 'x-request-id': 'abc-1', traceparent } })
  t.equal(upstream.calls.length, 3)
  for (const { headers } of upstream.calls) t.match(headers, { 'x-request-id': 'abc-1', traceparent })
  const { headers } = await get('/aggregate?limit=1', { headers: { traceparent: 'nonsense' } })
  const last = upstream.calls.at(-1)?.headers
  t.equal(last?.['x-request-id'], headers['x-request-id'])
  t.equal(last?.traceparent, undefined)
})

t.test('asks for all rows at once, and with PARALLEL_FETCH=off for one after the other', async (t) => {
  for (const [environment, open] of [
    [{}, 15],
    [{ PARALLEL_FETCH: 'off' }, 1],
  ] as const) {
    const { upstream, get } = await start(t, environment)
    const held: (() => void)[] = []
    for (const table of ['/users', '/products']) {
      upstream.answers.set(table, (response) => held.push(() => response.writeHead(404).end()))
    }
    const answer = get('/aggregate')
    await until(`${open} calls are open`, () => held.length === open)
    t.equal(upstream.open(), open)
    for (const reply of held) reply()
    t.equal((await answer).status, 502)
  }
})

t.test('with PARALLEL_FETCH=off answers the same', async (t) => {
  const { get } = await start(t, { PARALLEL_FETCH: 'off' })
  t.same(
    (await get('/aggregate?limit=12')).body.items,
    Array.from({ length: 12 }, (_, index) => joined(30 - index)),
  )
})

t.test(
  'an unavailable upstream is a 502 that names it; after repeated failures a 503 with retry-after',
  async (t) => {
    const { upstream, get } = await start(t)
    await upstream.stop()
    const { status, headers, body } = await get('/aggregate')
    t.equal(status, 502)
    t.equal(headers['content-type'], 'application/problem+json')
    t.match(body, { code: 'UPSTREAM_UNAVAILABLE', detail: 'The upstream reference-api cannot be reached' })
    let answer = await get('/aggregate')
    for (let i = 0; i < 20 && answer.status === 502; i++) answer = await get('/aggregate')
    t.equal(answer.status, 503)
    t.equal(answer.headers['retry-after'], '1')
    t.equal(answer.body.code, 'UPSTREAM_SUSPENDED')
    await upstream.start()
    await until('the upstream is called again', async () => (await get('/aggregate')).status === 200)
  },
)

t.test('a row that cannot be fetched is a 502, and the other calls are cancelled', async (t) => {
  const { upstream, get } = await start(t)
  upstream.answers.set('/products', () => {})
  upstream.answers.set('/users/3', (response) => response.writeHead(500).end())
  const { status, body } = await get('/aggregate')
  t.equal(status, 502)
  t.match(body, { code: 'UPSTREAM_FAILED', detail: 'The upstream reference-api answered 500' })
  await until('no call is open', () => upstream.open() === 0)
})

t.test('malformed rows and missing rows are a 502', async (t) => {
  const { upstream, get } = await start(t)
  upstream.answers.set('/orders', (response) => response.end('{"items":[{"id":"1"}]}'))
  t.match(await get('/aggregate'), { status: 502, body: { code: 'UPSTREAM_MALFORMED' } })
  upstream.answers.delete('/orders')
  upstream.answers.set('/users/3', (response) => response.end('{"id":3}'))
  t.match(await get('/aggregate'), { status: 502, body: { code: 'UPSTREAM_MALFORMED' } })
  upstream.answers.set('/users/3', (response) => response.writeHead(404).end())
  t.match(await get('/aggregate'), {
    status: 502,
    body: { detail: 'The upstream reference-api has nothing at /users/3' },
  })
})

t.test('rows with unknown values are left out, and the others are answered', async (t) => {
  const { upstream, get } = await start(t)
  const orders = [
    { ...upstreamOrder(30), status: 'refunded' },
    { ...upstreamOrder(29), createdAt: 'infinity' },
    { ...upstreamOrder(28), totalCents: -1 },
    { ...upstreamOrder(27), totalCents: 0.5 },
    upstreamOrder(26),
    upstreamOrder(25),
  ]
  upstream.answers.set('/orders', (response) => response.end(JSON.stringify({ items: orders, next: null })))
  const user = JSON.stringify({ ...upstreamUser(upstreamOrder(25).userId), email: 'none' })
  upstream.answers.set(`/users/${upstreamOrder(25).userId}`, (response) => response.end(user))
  const { status, body } = await get('/aggregate?limit=6')
  t.equal(status, 200)
  t.same(body, { items: [joined(26)] })
  t.match((await get('/metrics')).text, 'aggregate_rows_left_out_total 5\n')
})

t.test('unknown fields of the upstream are left out', async (t) => {
  const { upstream, get } = await start(t)
  upstream.answers.set('/users', (response) =>
    response.end(JSON.stringify({ ...upstreamUser(1), password: 'x' })),
  )
  const { status, text } = await get('/aggregate?limit=1')
  t.equal(status, 200)
  t.notMatch(text, 'password')
})

t.test('a stalling upstream is a 504, by the deadline of a call and by that of the whole', async (t) => {
  const byCall = await start(t, {}, { upstreamAttemptMs: 100 })
  byCall.upstream.answers.set('/users/1', () => {})
  t.match(await byCall.get('/aggregate'), { status: 504, body: { code: 'UPSTREAM_TIMED_OUT' } })
  const whole = await start(t, {}, { aggregateMs: 100 })
  whole.upstream.answers.set('/users/1', () => {})
  t.match(await whole.get('/aggregate'), { status: 504, body: { code: 'UPSTREAM_TIMED_OUT' } })
  await until('no call is open', () => byCall.upstream.open() + whole.upstream.open() === 0)
})

t.test('the calls of a client that disconnects are cancelled', async (t) => {
  const { upstream, get } = await start(t)
  upstream.answers.set('/users', () => {})
  const client = new AbortController()
  const answer = get('/aggregate', { signal: client.signal })
  await until('calls are open', () => upstream.open() > 0)
  client.abort()
  await t.rejects(answer)
  await until('no call is open', () => upstream.open() === 0)
})
