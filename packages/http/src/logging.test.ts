import { channel } from 'node:diagnostics_channel'
import { setImmediate as turn } from 'node:timers/promises'
import t from 'tap'
import type { App } from './index.ts'
import { exampleRoutes, testServer } from './test-server.ts'
import type { TracedRequest } from './tracing.ts'

function routes(app: App): void {
  exampleRoutes(app)
  app.post('/log', async ({ log, headers }) => {
    log.info({ headers, req: { headers }, token: 'hidden', nested: { password: 'hidden' } }, 'told')
    log.child({ part: 'x' }).warn('child')
    return {}
  })
  app.get('/fail', async () => {
    throw new Error('failed')
  })
}

t.test('with the request log there is one line a request, without the query', async (t) => {
  const { get, post, lines } = await testServer(t, { requestLog: true }, routes)
  await get('/users/7')
  await get('/users?limit=3')
  await post('/users', '{"name":"hidden"}')
  while (lines.length < 4) await turn()
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

t.test('without it only failures are logged', async (t) => {
  const { get, lines } = await testServer(t, { requestLog: false }, routes)
  await get('/users/7')
  await get('/users/x')
  await get('/nope')
  await get('/fail')
  t.match(lines.slice(1), [{ msg: 'request failed', err: { message: 'failed' }, requestId: String }])
  t.equal(lines.length, 2)
})

t.test('without it a request whose trace is kept has its line, so that the trace leads to one', async (t) => {
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

t.test('secrets are removed from what a handler logs', async (t) => {
  const { post, lines } = await testServer(t, {}, routes)
  const secret = { authorization: 'Bearer hidden', cookie: 'hidden', 'idempotency-key': 'hidden' }
  await post('/log', '{}', { ...secret, 'x-request-id': 'mine' })
  t.match(lines.slice(1), [
    { msg: 'told', requestId: 'mine', headers: { authorization: '[redacted]' } },
    { msg: 'child', part: 'x', requestId: 'mine', level: 'warn' },
  ])
  t.notMatch(JSON.stringify(lines), /hidden/)
})

t.test('the level is kept', async (t) => {
  const { get, lines } = await testServer(t, { requestLog: true, logLevel: 'error' }, routes)
  await get('/users/7')
  await get('/fail')
  t.match(lines, [{ level: 'error' }])
  t.equal(lines.length, 1)
})
