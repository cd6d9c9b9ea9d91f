import { channel } from 'node:diagnostics_channel'
import { METHODS } from 'node:http'
import { connect } from 'node:net'
import { Registry } from '@prometheus-io/client'
import { until } from '@reference/async'
import t from 'tap'
import type { App } from './index.ts'
import { testServer } from './testing/test-server.ts'
import type { TracedRequest } from './tracing.ts'

async function samples(get: (path: string) => Promise<Response>): Promise<Map<string, number>> {
  const text = await (await get('/metrics')).text()
  const lines = text.split('\n').filter((line) => line !== '' && !line.startsWith('#'))
  return new Map(
    lines.map((line) => [line.slice(0, line.lastIndexOf(' ')), Number(line.slice(line.lastIndexOf(' ')))]),
  )
}

const count = (method: string, route: string, status: number) =>
  `http_request_duration_seconds_count{method="${method}",route="${route}",status="${status}"}`

t.test('requests are counted by method, route template and status', async (t) => {
  const { get, post } = await testServer(t, { registry: new Registry() })
  for (const id of ['1', '2', '3', 'x']) await get(`/users/${id}`)
  await post('/users', '{}')
  for (const path of ['/a', '/b', '/c']) await get(path)
  const seen = await samples(get)
  t.equal(seen.get(count('GET', '/users/:id', 200)), 3)
  t.equal(seen.get(count('GET', '/users/:id', 400)), 1)
  t.equal(seen.get(count('POST', '/users', 400)), 1)
  t.equal(seen.get(count('GET', 'unmatched', 404)), 3, 'unknown paths are one series')
  const bucket = (le: string) =>
    `http_request_duration_seconds_bucket{le="${le}",method="GET",route="/users/:id",status="200"}`
  t.equal(seen.get(bucket('+Inf')), 3)
  t.ok((seen.get(bucket('10')) ?? 0) >= (seen.get(bucket('0.001')) ?? 0), 'buckets are cumulative')
  const sum = seen.get(count('GET', '/users/:id', 200).replace('_count', '_sum')) ?? 0
  t.ok(sum > 0 && sum < 10, 'seconds')
})

t.test('/metrics includes Node’s default metrics and the event loop’s', async (t) => {
  const { get } = await testServer(t, { registry: new Registry() })
  const response = await get('/metrics')
  t.match(response.headers.get('content-type'), /^text\/plain; version=0.0.4/)
  const seen = await samples(get)
  for (const name of [
    'nodejs_eventloop_lag_p99_seconds',
    'nodejs_eventloop_utilization_ratio',
    'process_cpu_seconds_total',
  ]) {
    t.ok(seen.has(name), name)
  }
})

t.test('a request in flight is counted, and as 499 when its client disconnects', async (t) => {
  const { promise: hold, resolve } = Promise.withResolvers<void>()
  const routes = (app: App) => {
    app.get('/slow', async () => {
      await hold
      return {}
    })
  }
  const { get, app, port } = await testServer(t, { registry: new Registry() }, routes)
  const socket = connect(port, '127.0.0.1', () => socket.write('GET /slow HTTP/1.1\r\nhost: x\r\n\r\n'))
  await until('the request is in flight', () => app.lifecycle.inFlight.size === 1)
  t.equal((await samples(get)).get('http_requests_in_flight'), 2, 'including the scrape itself')
  socket.destroy()
  await until('the request has ended', () => app.lifecycle.inFlight.size === 0)
  resolve()
  t.equal((await samples(get)).get(count('GET', '/slow', 499)), 1)
})

t.test('requests that are refused before routing are counted and logged', async (t) => {
  const options = { registry: new Registry(), requestLog: true }
  const { get, raw, lines } = await testServer(t, options)
  await get('/%ff')
  await raw('NONSENSE\r\n\r\n')
  await raw(`GET /health HTTP/1.1\r\nhost: x\r\nx-long: ${'a'.repeat(20_000)}\r\n\r\n`)
  const hasty = await testServer(t, {
    ...options,
    registry: new Registry(),
    headersTimeoutMs: 100,
    requestTimeoutMs: 200,
  })
  await hasty.raw('GET /health HTTP/1.1\r\nhost: x\r\n')
  const type = 'content-type: application/json\r\ncontent-length: 10'
  await hasty.raw(`POST /users HTTP/1.1\r\nhost: x\r\n${type}\r\n\r\n{`)
  const seen = new Map(
    [...(await samples(hasty.get)), ...(await samples(get))].filter(([, value]) => value > 0),
  )
  const refused = (status: number) => seen.get(`http_requests_refused_total{status="${status}"}`)
  t.equal(seen.get(count('GET', 'unmatched', 400)), 1, 'a malformed URL')
  t.equal(refused(400), 1, 'malformed HTTP')
  t.equal(refused(431), 1, 'a header too large')
  t.equal(refused(408), 1, 'a header too slow')
  t.equal(seen.get(count('POST', '/users', 408)), 1, 'a body too slow')
  t.match(
    [...lines, ...hasty.lines].filter(
      ({ msg, path }) => (msg === 'request' || msg === 'request refused') && path !== '/metrics',
    ),
    [
      { path: '/%ff', status: 400, requestId: String },
      { status: 400, requestId: String, remote: '127.0.0.1' },
      { status: 431 },
      { status: 408 },
      { path: '/users', status: 408 },
    ],
  )
})

t.test('for any request, label values come from the routes and from HTTP', async (t) => {
  const { get, raw } = await testServer(t, { registry: new Registry() })
  const paths = [
    '/users/1',
    '/users/2?x=1',
    '/users/%2e%2e%2fetc',
    '/users/1/',
    '//users',
    '/USERS/1',
    '/%ff',
  ]
  for (const path of [...paths, `/${'a'.repeat(2_000)}`, '/wp-login.php']) await get(path)
  const methods = ['PROPFIND', 'TRACE', 'M-SEARCH', 'PURGE', 'get', 'NONSENSE', 'A'.repeat(100)]
  for (const method of methods) {
    for (const path of ['/users/1', '/x'])
      await raw(`${method} ${path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n`)
  }
  const names = [...(await samples(get)).keys()].filter((name) => name.includes('_seconds_count{method='))
  const valuesOf = (label: string) => [...new Set(names.map((name) => name.match(`${label}="([^"]*)"`)?.[1]))]
  t.strictSame(valuesOf('route').sort(), ['/users/:id', 'unmatched'])
  t.strictSame(
    valuesOf('method').filter((method) => !METHODS.includes(method ?? '')),
    [],
    'a method that the parser does not know is refused before it is counted',
  )
  t.strictSame(
    valuesOf('status').filter((status) => !/^[1-5]\d\d$/.test(status ?? '')),
    [],
  )
})

t.test(
  'a scraper that accepts OpenMetrics gets it, with the trace of a request in each bucket',
  async (t) => {
    const traceId = 'a'.repeat(32)
    const begin = (message: unknown) => {
      const traced = message as TracedRequest
      if (traced.request.url.endsWith('/2')) traced.traceId = traceId
    }
    const requests = channel('reference:http.request')
    requests.subscribe(begin)
    t.teardown(() => requests.unsubscribe(begin))
    const { get, lines } = await testServer(t, { registry: new Registry(), requestLog: true })
    for (const id of ['1', '2']) await get(`/users/${id}`)
    const accept = 'application/openmetrics-text;version=1.0.0;q=0.6,text/plain;version=0.0.4;q=0.3'
    const response = await get('/metrics', { accept })
    t.match(response.headers.get('content-type'), /^application\/openmetrics-text; version=1.0.0/)
    const text = await response.text()
    t.ok(text.endsWith('\n# EOF\n'))
    t.match(text, '# TYPE http_requests_refused counter')
    t.match(text, 'http_requests_refused_total{status="400"} 0')
    t.match(
      text,
      new RegExp(
        `_bucket\\{.*route="/users/:id".*\\} \\d+ # \\{trace_id="${traceId}"\\} [\\d.e-]+ [\\d.]+\\n`,
      ),
    )
    const users = lines.filter(({ route }) => route === '/users/:id')
    t.strictSame(
      users.map((line) => line.traceId),
      [undefined, traceId],
      'the log line of a request whose trace is kept names it',
    )
    const plain = await (await get('/metrics')).text()
    t.match(plain, '# TYPE http_requests_refused_total counter', 'the text format is unchanged')
    t.notMatch(plain, 'trace_id')
  },
)

t.test('build_info has the version and revision', async (t) => {
  const { get } = await testServer(t, { registry: new Registry(), commit: 'abc1234' })
  const info = `build_info{service="test",version="1.2.3",commit="abc1234",node="${process.version}"}`
  t.equal((await samples(get)).get(info), 1)
})

t.test('without a registry there is no /metrics', async (t) => {
  const { get } = await testServer(t)
  t.equal((await get('/metrics')).status, 404)
})
