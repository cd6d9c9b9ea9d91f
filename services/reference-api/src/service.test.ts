import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { connect, createServer, type Socket } from 'node:net'
import { openApiFaults } from '@reference/http/testing/openapi'
import { tokenIssuer } from '@reference/http/testing/token-issuer'
import { freePort, startService, testDatabase, testRedis, until } from '@reference/local-stack'
import t from 'tap'
import { createCall, startApi } from './testing/test-api.ts'

type Scope = Parameters<typeof testDatabase>[0]

/** Forwards a port to that of the database. */
async function bridge(t: Scope, from: number, to: number): Promise<void> {
  const sockets = new Set<Socket>()
  const server = createServer((client) => {
    const upstream = connect(to, '127.0.0.1')
    for (const [socket, other] of [
      [client, upstream],
      [upstream, client],
    ] as const) {
      sockets.add(socket)
      socket.pipe(other)
      socket.on('error', () => other.destroy())
      socket.on('close', () => sockets.delete(socket))
    }
  }).listen(from, '127.0.0.1')
  t.teardown(() => {
    server.close()
    for (const socket of sockets) socket.destroy()
  })
  await once(server, 'listening')
}

t.test('wrong settings end the start with code 78, and every fault is named', async (t) => {
  const { child, output } = startService(t, 'reference-api', {
    PORT: 'x',
    CACHE_L1: 'maybe',
    DB_POOL_MAX: '-1',
  })
  await once(child, 'exit')
  t.equal(child.exitCode, 78)
  for (const name of ['PORT', 'CACHE_L1', 'DB_POOL_MAX', 'DATABASE_URL']) t.match(output.text, name)
  t.notMatch(output.text, /\n {4}at /)
})

t.test(
  'without a database it starts and reports it, and recovers when the database becomes available',
  async (t) => {
    const database = await testDatabase(t)
    const absent = Object.assign(new URL(database.url), { port: await freePort() })
    const { listening } = startService(t, 'reference-api', { DATABASE_URL: absent.href })
    const call = createCall(await listening())

    t.match(await call('GET', '/health'), { status: 200, body: { status: 'ok' } })
    t.match(await call('GET', '/ready'), {
      status: 503,
      body: { checks: [{ name: 'postgres', status: 'down' }] },
    })
    const refused = await call('GET', '/users/1')
    t.match(refused, { status: 503, body: { code: 'DB_UNAVAILABLE' } })
    t.match(refused.headers['retry-after'], /^\d+$/)
    t.equal((await call('POST', '/process-data', { body: {} })).status, 503) // part:jobs

    await bridge(t, Number(absent.port), Number(new URL(database.url).port))
    await until('it is ready', async () => (await call('GET', '/ready')).status === 200)
    t.match(await call('GET', '/users/1'), { status: 200, body: { id: 1 } })
    // part:jobs
    const job = await until('jobs are taken', async () => {
      const answer = await call('POST', '/process-data', { body: {} })
      return answer.status === 202 && answer
    })
    await until('the job is done', async () => {
      return (await call('GET', `/jobs/${job.body.jobId}`)).body.state === 'completed'
    })
    // end:jobs
  },
)

t.test('with a database that was never migrated the service is not ready', async (t) => {
  const { url } = await testDatabase(t, { from: 'empty' })
  const { listening } = startService(t, 'reference-api', { DATABASE_URL: url })
  const call = createCall(await listening())
  t.match(await call('GET', '/ready'), {
    status: 503,
    body: { checks: [{ name: 'postgres', status: 'down' }] },
  })
})

t.test('SIGTERM shuts it down with code 0', async (t) => {
  const [database, redis] = [await testDatabase(t), await testRedis(t, { own: true })]
  const { end, listening } = startService(t, 'reference-api', {
    DATABASE_URL: database.url,
    REDIS_URL: redis.url,
  })
  const call = createCall(await listening())
  t.equal((await call('GET', '/users/1')).status, 200)
  t.equal(await end('SIGTERM'), 0)
})

t.test('health, readiness and the table of services', async (t) => {
  const { call, redis } = await startApi(t)
  t.match(await call('GET', '/health'), { status: 200, body: { status: 'ok' } })

  const ready = await until('the cache is connected', async () => {
    const answer = await call('GET', '/ready')
    return answer.body.status === 'ok' && answer
  })
  t.equal(ready.status, 200)
  t.match(ready.body.checks, [
    { name: 'postgres', status: 'ok', latencyMs: Number },
    { name: 'redis', status: 'ok', latencyMs: Number },
  ])
  // A busy machine may take longer than a threshold.
  const services = await until('each answers within its threshold', async () => {
    const { body } = await call('GET', '/services')
    return body.every(({ status }: { status: string }) => status === 'ok') && body
  })
  t.match(services, [
    { name: 'postgres', responseMs: Number, thresholdMs: 1000 },
    { name: 'redis', responseMs: Number, thresholdMs: 500 },
  ])

  await redis?.kill()
  const degraded = await until('Redis is missed', async () => {
    const answer = await call('GET', '/ready')
    return answer.body.status === 'degraded' && answer
  })
  t.equal(degraded.status, 200)
  t.match(degraded.body.checks, [
    { name: 'postgres', status: 'ok' },
    { name: 'redis', status: 'degraded' },
  ])
  t.equal((await call('GET', '/users/1')).status, 200)
  t.equal((await call('PATCH', '/users/1', { body: { name: 'without Redis' } })).status, 200)
  t.equal((await call('GET', '/users/1')).body.name, 'without Redis')

  await redis?.restart()
  await until('Redis is back', async () => (await call('GET', '/ready')).body.status === 'ok')
  await until(
    'the cache is used again',
    async () => (await call('GET', '/users/1')).headers['x-cache'] === 'l1',
  )
  t.equal((await call('GET', '/users/1')).body.name, 'without Redis')
})

t.test('metrics, OpenAPI and the documentation page', async (t) => {
  const { call } = await startApi(t)
  await call('GET', '/users/1')
  await call('GET', '/nothing/here')
  const metrics = (await call('GET', '/metrics')).raw.toString()
  t.match(metrics, /http_request_duration_seconds_bucket\{.*route="\/users\/:id".*\} 1/)
  t.notMatch(metrics, 'nothing/here')
  for (const name of ['db_pool_size', 'db_pool_in_use', 'db_pool_waiting', 'nodejs_eventloop_lag_seconds']) {
    t.match(metrics, new RegExp(`^${name}`, 'm'), name)
  }
  const { body } = await call('GET', '/openapi.json')
  t.match(body.openapi, /^3\.1/)
  const paths = [
    '/users',
    '/users/{id}',
    '/products',
    '/products/{id}',
    '/orders',
    '/orders/{id}',
    '/config/{key}',
  ]
  paths.push('/process-data', '/jobs/{id}') // part:jobs
  for (const path of paths) t.ok(body.paths[path], path)
  t.equal(body.paths['/users/{id}'].get.parameters[0].schema.type, 'integer')
  t.same(openApiFaults(body), [])
  t.match(body.info, { title: 'Reference API', description: /x-cache/ })
  t.equal((await call('GET', '/docs')).status, 200)
  t.match(await call('GET', '/'), { status: 302, headers: { location: './docs' } })
})

t.test('with AUTH=token reads are open; writes, jobs and config need a token of their scope', async (t) => {
  const sha256 = (token: string) => createHash('sha256').update(token).digest('hex')
  const { call } = await startApi(
    t,
    { AUTH: 'token', AUTH_TOKENS: `ci:${sha256('w')}:write,ops:${sha256('a')}:admin` },
    { redis: false },
  )
  const as = (token: string) => ({ authorization: `Bearer ${token}` })
  for (const path of ['/users/1', '/users', '/products', '/orders', '/orders/1', '/health']) {
    t.equal((await call('GET', path)).status, 200, path)
  }
  const user = { email: 'token@example.com', name: 'x' }
  const order = { userId: 1, productId: 1, quantity: 1 }
  const calls: [string, string, unknown, string][] = [
    ['POST', '/users', user, 'w'],
    ['PATCH', '/users/1', { name: 'x' }, 'w'],
    ['DELETE', '/users/999999', undefined, 'w'],
    ['POST', '/orders', order, 'w'],
    ['POST', '/process-data', {}, 'w'], // part:jobs
    ['GET', '/jobs/x', undefined, 'w'], // part:jobs
    ['PUT', '/config/a', { value: 1 }, 'a'],
    ['GET', '/config/a', undefined, 'a'],
  ]
  for (const [method, path, body, token] of calls) {
    const none = await call(method, path, { body })
    t.match(none, { status: 401, body: { status: 401 } }, `${method} ${path}`)
    t.match(none.headers['www-authenticate'], /^Bearer/)
    t.equal((await call(method, path, { body, headers: as('guess') })).status, 401)
    t.not(
      (await call(method, path, { body, headers: as(token) })).status,
      401,
      `${method} ${path} with ${token}`,
    )
    if (token === 'a') t.equal((await call(method, path, { body, headers: as('w') })).status, 403, path)
  }
})

t.test(
  'with AUTH=jwt the tokens of an issuer permit writes, and an idempotency key belongs to their subject',
  async (t) => {
    const issuer = await tokenIssuer(t)
    const { jwt } = issuer
    const { call } = await startApi(
      t,
      {
        AUTH: 'jwt',
        JWT_ISSUER: jwt.issuer,
        JWT_AUDIENCE: jwt.audience,
        JWT_JWKS_URL: jwt.jwksUrl,
        JWT_WRITE_SCOPE: jwt.scopeNames.write,
        JWT_ADMIN_SCOPE: jwt.scopeNames.admin,
      },
      { redis: false },
    )
    t.equal((await call('GET', '/users/1')).status, 200)
    const post = async (claims: object, quantity: number) =>
      call('POST', '/orders', {
        body: { userId: 1, productId: 1, quantity },
        headers: { authorization: `Bearer ${await issuer.sign({ ...claims })}`, 'idempotency-key': 'same' },
      })
    const first = await post({ sub: 'alice' }, 1)
    t.equal(first.status, 201)
    t.equal((await post({ sub: 'alice' }, 1)).body.id, first.body.id, 'another token of the same subject')
    t.not((await post({ sub: 'bob' }, 2)).body.id, first.body.id)
    t.equal((await post({ scope: '' }, 1)).status, 403)
    t.equal((await post({ exp: 1 }, 1)).status, 401)
    const read = async (scope: string) =>
      call('GET', '/config/a', { headers: { authorization: `Bearer ${await issuer.sign({ scope })}` } })
    t.equal((await read('shop:write')).status, 403)
    t.equal((await read('shop:admin')).status, 404)
    const ready = await call('GET', '/ready')
    t.ok(ready.body.checks.every(({ name }: { name: string }) => name !== 'token-keys'))
  },
)

t.test('an idempotency key belongs to the token that sent it', async (t) => {
  const sha256 = (token: string) => createHash('sha256').update(token).digest('hex')
  const tokens = `one:${sha256('1')}:write,two:${sha256('2')}:write`
  const { call } = await startApi(t, { AUTH: 'token', AUTH_TOKENS: tokens }, { redis: false })
  const post = (token: string, quantity: number) =>
    call('POST', '/orders', {
      body: { userId: 1, productId: 1, quantity },
      headers: { authorization: `Bearer ${token}`, 'idempotency-key': 'same' },
    })
  const first = await post('1', 1)
  t.equal((await post('1', 1)).body.id, first.body.id)
  const other = await post('2', 2)
  t.equal(other.status, 201)
  t.not(other.body.id, first.body.id)
})

t.test('malformed URLs and unknown paths answer problem+json with the request id', async (t) => {
  const { call } = await startApi(t, {}, { redis: false })
  const cases = { '/%ff': 400, '/users/%ff': 400, '/nothing': 404, '/users/1/more': 404 }
  for (const [path, status] of Object.entries(cases)) {
    const answer = await call('GET', path, { headers: { 'x-request-id': 'abc-123' } })
    t.equal(answer.status, status, path)
    t.match(answer.headers['content-type'], 'application/problem+json', path)
    t.equal(answer.body.requestId, answer.headers['x-request-id'], path)
  }
  t.equal(
    (await call('GET', '/nothing', { headers: { 'x-request-id': 'abc-123' } })).body.requestId,
    'abc-123',
  )
})

t.test('CACHE_L1=off and CACHE_L2=off turn the cache off', async (t) => {
  const off = await startApi(t, { CACHE_L1: 'off', CACHE_L2: 'off' })
  for (let i = 0; i < 3; i++) t.equal((await off.call('GET', '/users/1')).headers['x-cache'], 'off')
  const second = await startApi(t, { CACHE_L1: 'off' }, { on: off })
  await until('a tier-2 hit', async () => (await second.call('GET', '/users/1')).headers['x-cache'] === 'l2')
})
