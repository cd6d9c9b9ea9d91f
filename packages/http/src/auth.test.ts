import { hash } from 'node:crypto'
import t from 'tap'
import { type App, createServer } from './index.ts'
import { testServer } from './testing/test-server.ts'

const authTokens = [
  { name: 'writer', sha256: hash('sha256', 'write-token'), scope: 'write' as const },
  { name: 'root', sha256: hash('sha256', 'admin-token').toUpperCase(), scope: 'admin' as const },
]

function routes(app: App): void {
  app.get('/open', async () => ({}))
  app.post('/rows', { config: { scope: 'write' } }, async () => ({}))
  app.post('/settings', { config: { scope: 'admin' } }, async () => ({}))
}

t.test('with AUTH=token reads are open and writes need a token', async (t) => {
  const { get, post, lines } = await testServer(t, { auth: 'token', authTokens, requestLog: true }, routes)
  t.equal((await get('/open')).status, 200)
  const bare = await post('/rows', '{}')
  t.equal(bare.status, 401)
  t.equal(bare.headers.get('www-authenticate'), 'Bearer')
  t.match(await bare.json(), { status: 401, code: 'TOKEN_MISSING' })

  for (const authorization of [
    'Bearer wrong',
    'Bearer',
    'Bearer ',
    'Basic d3JpdGU6',
    'write-token',
    'Bearer a b',
  ]) {
    const response = await post('/rows', '{}', { authorization })
    t.equal(response.status, 401, authorization)
    t.match(response.headers.get('www-authenticate'), /^Bearer/)
  }
  t.equal((await post('/rows', '{}', { authorization: 'Bearer write-token' })).status, 200)
  t.equal(
    (await post('/rows', '{}', { authorization: 'bearer write-token' })).status,
    200,
    'the scheme in any case',
  )
  t.equal(
    (await post('/rows', '{}', { authorization: 'Bearer admin-token' })).status,
    200,
    'admin implies write',
  )
  t.notMatch(JSON.stringify(lines), /write-token|admin-token/)
})

t.test('no line of the log has a header or a body', async (t) => {
  const options = { auth: 'token', authTokens, requestLog: true, logLevel: 'trace' } as const
  const { get, post, raw, lines } = await testServer(t, options, (app) => {
    routes(app)
    app.post('/fails', async () => {
      throw new Error('fails')
    })
  })
  const secret = 'secret-of-the-client'
  const headers = {
    authorization: `Bearer ${secret}`,
    cookie: secret,
    'x-api-key': secret,
    'idempotency-key': secret,
  }
  for (const path of ['/rows', '/settings', '/fails', '/nope', `/open?token=${secret}`]) {
    await post(path, JSON.stringify({ password: secret }), headers)
    await get(path, headers)
  }
  await post('/rows', `{"${secret}`, { authorization: 'Bearer write-token' })
  await raw(`GET /open HTTP/1.1\r\nhost: ${secret} x\r\nconnection: close\r\n\r\n`)
  await raw(`GET /open HTTP/1.1\r\nauthorization ${secret}\r\n\r\n`)
  t.ok(lines.length > 10)
  t.notMatch(JSON.stringify(lines), /secret-of-the-client|write-token/)
})

t.test('a token without the scope is 403', async (t) => {
  const { post } = await testServer(t, { auth: 'token', authTokens }, routes)
  const response = await post('/settings', '{}', { authorization: 'Bearer write-token' })
  t.equal(response.status, 403)
  t.match(response.headers.get('www-authenticate'), /^Bearer error="insufficient_scope"/)
  t.equal((await post('/settings', '{}', { authorization: 'Bearer admin-token' })).status, 200)
})

t.test('request.caller is the name of the token', async (t) => {
  const withCaller = (app: App) => {
    app.get('/open', async ({ caller }) => ({ caller: caller ?? 'none' }))
    app.post('/rows', { config: { scope: 'write' } }, async ({ caller }) => ({ caller: caller ?? 'none' }))
  }
  const { post, get } = await testServer(t, { auth: 'token', authTokens }, withCaller)
  const writer = { authorization: 'Bearer write-token' }
  t.same(await (await post('/rows', '{}', writer)).json(), { caller: 'writer' })
  t.same(await (await post('/rows', '{}', { authorization: 'Bearer admin-token' })).json(), {
    caller: 'root',
  })
  t.same(await (await get('/open', writer)).json(), { caller: 'none' }, 'an open call reads no token')
  const off = await testServer(t, { auth: 'off', authTokens }, withCaller)
  t.same(await (await off.post('/rows', '{}', writer)).json(), { caller: 'none' })
})

t.test('the token is checked before the body', async (t) => {
  const { post } = await testServer(t, { auth: 'token', authTokens }, routes)
  t.equal((await post('/rows', '{')).status, 401)
})

t.test('with AUTH=off every call is open', async (t) => {
  const { post } = await testServer(t, { auth: 'off' }, routes)
  t.equal((await post('/settings', '{}')).status, 200)
})

t.test('without a configured token writes are refused, and the log warns at start', async (t) => {
  const { post, lines } = await testServer(t, { auth: 'token' }, routes)
  t.equal((await post('/rows', '{}', { authorization: 'Bearer write-token' })).status, 401)
  t.match(
    lines.filter(({ level }) => level === 'warn'),
    [{ msg: /no token is configured/ }],
  )
  const some = await testServer(t, { auth: 'token', authTokens }, routes)
  t.notOk(some.lines.some(({ level }) => level === 'warn'))
})

t.test('OpenAPI documents which calls need a token', async (t) => {
  const app = await createServer({
    service: 'x',
    version: '1',
    logLevel: 'silent',
    auth: 'token',
    authTokens,
  })
  t.teardown(() => app.close())
  routes(app)
  t.match((await app.inject('/openapi.json')).json(), {
    components: { securitySchemes: { bearer: { type: 'http', scheme: 'bearer' } } },
    paths: { '/rows': { post: { security: [{ bearer: [] }] } }, '/open': { get: { security: undefined } } },
  })
})
