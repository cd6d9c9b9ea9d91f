import { channel } from 'node:diagnostics_channel'
import { until } from '@reference/async'
import t from 'tap'
import type { App } from './index.ts'
import { exampleRoutes, testServer } from './testing/test-server.ts'
import type { TracedRequest } from './tracing.ts'

function routes(app: App): void {
  exampleRoutes(app)
  app.post('/log', async ({ log, headers }) => {
    log.info({ headers, req: { headers }, token: 'hidden', nested: { password: 'hidden' } }, 'logged')
    log.child({ part: 'x' }).warn('child')
    return {}
  })
  app.get('/fail', async () => {
    throw new Error('failed')
  })
}

t.test('the request log has one line for each request, without the query', async (t) => {
  const { get, post, lines } = await testServer(t, { requestLog: true }, routes)
  await get('/users/7')
  await get('/users?limit=3')
  await post('/users', '{"name":"hidden"}')
  await until('each request is logged', () => lines.length === 4)
  t.match(lines.slice(1), [
    {
      msg: 'request',
      service: 'test',
      version: '1.2.3',
      method: 'GET',
      path: '/users/7',
      route: '/users/:id',
      status: 200,
    },
    { path: '/users', status: 200, ms: Number, remote: '127.0.0.1', requestId: String },
    { method: 'POST', status: 201 },
  ])
  t.equal(lines.length, 4)
  t.notMatch(JSON.stringify(lines), /limit=3|hidden/)
})

t.test('without the request log only failures are logged', async (t) => {
  const { get, lines } = await testServer(t, { requestLog: false }, routes)
  await get('/users/7')
  await get('/users/x')
  await get('/nope')
  await get('/fail')
  t.match(lines.slice(1), [{ msg: 'request failed', err: { message: 'failed' }, requestId: String }])
  t.equal(lines.length, 2)
})

t.test('a request whose trace is kept is logged even without the request log', async (t) => {
  const traceId = 'a'.repeat(32)
  const begin = (message: unknown) => {
    const traced = message as TracedRequest
    if (traced.request.url === '/users/2') traced.traceId = traceId
  }
  const requests = channel('reference:http.request')
  requests.subscribe(begin)
  t.teardown(() => requests.unsubscribe(begin))
  const { get, raw, lines } = await testServer(t, { requestLog: false }, routes)
  await raw('NONSENSE\r\n\r\n')
  for (const id of [1, 2, 3]) await get(`/users/${id}`)
  await get('/fail')
  t.match(lines.slice(1), [{ msg: 'request', path: '/users/2', traceId }, { msg: 'request failed' }])
  t.equal(lines.length, 3)
})

t.test('secrets are removed from the log lines of a handler', async (t) => {
  const { post, lines } = await testServer(t, {}, routes)
  const secret = { authorization: 'Bearer hidden', cookie: 'hidden', 'idempotency-key': 'hidden' }
  await post('/log', '{}', { ...secret, 'x-request-id': 'mine' })
  t.match(lines.slice(1), [
    { msg: 'logged', requestId: 'mine', headers: { authorization: '[redacted]' } },
    { msg: 'child', part: 'x', requestId: 'mine', level: 'warn' },
  ])
  t.notMatch(JSON.stringify(lines), /hidden/)
})

t.test('the log level applies to request lines', async (t) => {
  const { get, lines } = await testServer(t, { requestLog: true, logLevel: 'error' }, routes)
  await get('/users/7')
  await get('/fail')
  t.match(lines, [{ level: 'error' }])
  t.equal(lines.length, 1)
})
