import { Registry } from '@prometheus-io/client'
import { until } from '@reference/async'
import t from 'tap'
import type { Dependency } from './index.ts'
import { exchange, testServer } from './testing/test-server.ts'

const dependency = (name: string, check: Dependency['check'], required = true): Dependency => ({
  name,
  required,
  thresholdMs: 1000,
  check,
})
const fine = async () => {}
const unavailable = async () => {
  throw Object.assign(new Error('connect ECONNREFUSED 10.0.0.1:5432'), { code: 'ECONNREFUSED' })
}

t.test('/health is 200 without a check', async (t) => {
  let checks = 0
  const count = async () => {
    checks += 1
  }
  const { get } = await testServer(t, { dependencies: [dependency('postgres', count)] })
  const response = await get('/health')
  t.equal(response.status, 200)
  t.equal(await response.text(), '{"status":"ok"}')
  t.equal(checks, 0)
})

t.test('/ready has a row for each dependency', async (t) => {
  const { get } = await testServer(t, {
    dependencies: [dependency('postgres', fine), dependency('redis', fine, false)],
  })
  const response = await get('/ready')
  t.equal(response.status, 200)
  t.match(await response.json(), {
    status: 'ok',
    checks: [
      { name: 'postgres', status: 'ok', latencyMs: Number },
      { name: 'redis', status: 'ok', latencyMs: Number },
    ],
  })
})

t.test('/ready has a degraded row for a condition that does not hold, and /services has none', async (t) => {
  let check: () => Promise<void> = async () => {
    throw Object.assign(new Error('a secret'), { code: 'TOO_OLD', publicReason: 'older than that' })
  }
  const { get } = await testServer(t, {
    dependencies: [dependency('postgres', fine)],
    conditions: [{ name: 'age', check: () => check() }],
  })
  const response = await get('/ready')
  t.equal(response.status, 200)
  t.match(await response.json(), {
    status: 'degraded',
    checks: [
      { name: 'postgres', status: 'ok' },
      { name: 'age', status: 'degraded', error: 'TOO_OLD', reason: 'older than that' },
    ],
  })
  t.match(await (await get('/services')).json(), { length: 1 })
  check = fine
  t.match(await (await get('/ready')).json(), { status: 'ok', checks: { length: 1 } })
})

t.test('/ready is 503 with the failing row, and recovers', async (t) => {
  let check: () => Promise<void> = unavailable
  const { get } = await testServer(t, { dependencies: [dependency('postgres', () => check())] })
  const response = await get('/ready')
  t.equal(response.status, 503)
  t.equal(response.headers.get('retry-after'), '1')
  const text = await response.text()
  t.match(JSON.parse(text), {
    status: 'down',
    checks: [{ name: 'postgres', status: 'down', error: 'ECONNREFUSED' }],
  })
  t.notMatch(text, '10.0.0.1', 'no addresses')
  check = fine
  t.equal((await get('/ready')).status, 200)
})

t.test('an unavailable optional dependency is degraded with 200', async (t) => {
  const { get } = await testServer(t, {
    dependencies: [dependency('postgres', fine), dependency('redis', unavailable, false)],
  })
  const response = await get('/ready')
  t.equal(response.status, 200)
  t.match(await response.json(), { status: 'degraded', checks: [{ status: 'ok' }, { status: 'degraded' }] })
})

t.test('a check that hangs, or throws synchronously, is down within its limit', async (t) => {
  const hung = dependency('hung', () => new Promise(() => {}))
  const { promise: aborted, resolve } = Promise.withResolvers<void>()
  const listening = dependency('listening', (signal) => {
    signal.addEventListener('abort', () => resolve())
    return new Promise(() => {})
  })
  const thrower = dependency('thrower', () => {
    throw new TypeError('bug')
  })
  const { get } = await testServer(t, { checkTimeoutMs: 50, dependencies: [hung, listening, thrower] })
  const response = await get('/ready')
  t.equal(response.status, 503)
  t.match(await response.json(), { checks: [{ error: 'TIMEOUT' }, { error: 'TIMEOUT' }, { error: 'ERROR' }] })
  await aborted
})

t.test('concurrent calls of /ready share one round', async (t) => {
  let checks = 0
  const { promise: gate, resolve } = Promise.withResolvers<void>()
  const check = () => {
    checks += 1
    return gate
  }
  const { get, app } = await testServer(t, { dependencies: [dependency('postgres', check)] })
  const calls = Array.from({ length: 10 }, () => get('/ready'))
  await until('each call is in flight', () => app.lifecycle.inFlight.size === 10)
  resolve()
  for (const response of await Promise.all(calls)) t.equal(response.status, 200)
  t.equal(checks, 1)
})

t.test('/services reports the response time of every system', async (t) => {
  const slow = {
    ...dependency('slow', () => new Promise((resolve) => setTimeout(resolve, 5))),
    thresholdMs: 1,
  }
  const { get } = await testServer(t, {
    dependencies: [dependency('postgres', fine), slow],
    systems: [dependency('search', unavailable, false)],
  })
  const rows = await (await get('/services')).json()
  t.match(rows, [
    { name: 'postgres', responseMs: Number, thresholdMs: 1000, status: 'ok' },
    { name: 'slow', responseMs: Number, thresholdMs: 1, status: 'slow' },
    { name: 'search', responseMs: Number, thresholdMs: 1000, status: 'down' },
  ])
  const ready = (await (await get('/ready')).json()) as { checks: unknown[] }
  t.equal(ready.checks.length, 2, 'systems are not part of readiness')
})

t.test('with an internal port /metrics and /services are not on the public port', async (t) => {
  const { get, app } = await testServer(t, { registry: new Registry(), internalPort: 0 })
  const internalPort = await app.operations.listen('127.0.0.1')
  const internal = `http://127.0.0.1:${internalPort}`
  for (const path of ['/metrics', '/services']) {
    t.equal((await get(path)).status, 404, path)
    t.equal((await fetch(internal + path)).status, 200, path)
  }
  for (const path of ['/health', '/ready']) {
    t.equal((await get(path)).status, 200, path)
    t.equal((await fetch(internal + path)).status, 200, path)
  }
  t.match(await (await fetch(`${internal}/metrics`)).text(), /http_request_duration_seconds/)
  const unknown = await fetch(`${internal}/users`)
  t.equal(unknown.status, 404)
  t.equal(unknown.headers.get('content-type'), 'application/problem+json')
  t.match(await unknown.json(), {
    code: 'NOT_FOUND',
    instance: '/users',
    detail: 'There is nothing at this path',
    requestId: unknown.headers.get('x-request-id'),
  })
  await app.close()
  await t.rejects(fetch(`${internal}/health`), 'closed with the server')
})

t.test('the internal port refuses with the same problems as the public one', async (t) => {
  const { app, port } = await testServer(t, { registry: new Registry(), internalPort: 0 })
  const internalPort = (await app.operations.listen('127.0.0.1')) ?? 0
  const cases: [string, number, string][] = [
    ['POST /ready HTTP/1.1\r\nhost: x', 405, 'METHOD_NOT_ALLOWED'],
    ['GET /%ff HTTP/1.1\r\nhost: x', 400, 'MALFORMED_URL'],
    ['GET /nope HTTP/1.1\r\nhost: x', 404, 'NOT_FOUND'],
    ['GET /ready HTTP/1.1', 400, 'HOST_MISSING'],
    ['GET /ready HTTP/1.1\r\nhost: x\r\nexpect: foo', 417, 'EXPECTATION_FAILED'],
    [`GET /ready HTTP/1.1\r\nhost: x\r\nx: ${'a'.repeat(20_000)}`, 431, 'HEADERS_TOO_LARGE'],
    ['NONSENSE', 400, 'MALFORMED_HTTP'],
  ]
  for (const [head, status, code] of cases) {
    const answers = await Promise.all(
      [port, internalPort].map((to) => exchange(to, `${head}\r\nconnection: close\r\n\r\n`)),
    )
    const [open, internal] = answers.map((answer) => {
      const { requestId, ...problem } = JSON.parse(answer.slice(answer.indexOf('{')))
      t.match(answer, new RegExp(`^HTTP/1.1 ${status} .*content-type: application/problem\\+json\r\n`, 's'))
      t.match(answer, `x-request-id: ${requestId}\r\n`)
      if (status === 405) t.match(answer, 'allow: GET, HEAD\r\n')
      return problem
    })
    t.match(internal, { status, code })
    t.same(internal, open)
  }
})
