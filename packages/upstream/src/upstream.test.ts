import { Registry } from '@prometheus-io/client'
import { until } from '@reference/async'
import t from 'tap'
import { startTestUpstream, type TestUpstream } from './testing/test-upstream.ts'
import { createUpstream, type UpstreamOptions } from './upstream.ts'

/** Of a caller that never aborts. */
const { signal: staying } = new AbortController()

const user = (id: number) => ({ id, name: `User ${id} "Ü"` })

/** The users 1 to 10, and `/health`. */
function bodyOf(path: string): unknown {
  const id = Number(path.replace('/users/', ''))
  return path === '/health' ? { status: 'ok' } : id <= 10 ? user(id) : undefined
}

interface Scope {
  teardown(fn: () => unknown): unknown
}

async function start(t: Scope, options: Partial<UpstreamOptions> = {}) {
  const server = await startTestUpstream(t, bodyOf)
  const upstream = createUpstream({ name: 'users-api', url: server.url, ...options })
  t.teardown(() => upstream.close())
  const get = (path: string, signal = staying) => upstream.get(path, { signal })
  return { server, upstream, get }
}

const ports = ({ calls }: TestUpstream) => new Set(calls.map(({ port }) => port))

t.test('gets JSON, and undefined for 404', async (t) => {
  const { get } = await start(t)
  t.same(await get('/users/3'), user(3))
  t.equal(await get('/users/11'), undefined)
})

t.test('a path in the base URL precedes every path', async (t) => {
  const server = await startTestUpstream(t, bodyOf)
  server.answers.set('/api/users/1', (response) => response.end('1'))
  server.answers.set('/api/health', (response) => response.end())
  const upstream = createUpstream({ name: 'users-api', url: `${server.url}/api/` })
  t.teardown(() => upstream.close())
  t.equal(await upstream.get('/users/1', { signal: staying }), 1)
  await upstream.ping(staying)
  t.same(
    server.calls.map(({ path }) => path),
    ['/api/users/1', '/api/health'],
  )
})

t.test('keeps its connection; without keep-alive it opens one for each call', async (t) => {
  for (const [keepAlive, connections] of [
    [true, 1],
    [false, 3],
  ] as const) {
    const { server, get } = await start(t, { keepAlive, connections: 1 })
    for (const id of [1, 2, 3]) await get(`/users/${id}`)
    t.equal(ports(server).size, connections)
  }
})

t.test('has no more calls in flight than connections', async (t) => {
  const { server, get } = await start(t, { connections: 2 })
  const replies: (() => void)[] = []
  server.answers.set('/users', (response) => replies.push(() => response.end('{}')))
  const calls = [1, 2, 3, 4].map((id) => get(`/users/${id}`))
  for (let answered = 0; answered < 4; answered++) {
    await until('the calls have arrived', () => replies.length === Math.min(4, answered + 2))
    t.equal(server.open(), Math.min(2, 4 - answered))
    replies[answered]?.()
    await calls[answered]
    await until('the call has ended', () => server.open() === Math.min(2, 3 - answered))
  }
})

t.test('a call shares one that is sent after it, never one that was sent before', async (t) => {
  const { server, get } = await start(t)
  const held: (() => void)[] = []
  server.answers.set('/users/1', (response) => held.push(() => response.end(`{"call":${held.length}}`)))
  const first = get('/users/1')
  await until('the first has arrived', () => held.length === 1)
  const late = [get('/users/1'), get('/users/1')]
  held[0]?.()
  t.same(await first, { call: 1 })
  await until('the next has arrived', () => held.length === 2)
  held[1]?.()
  t.same(await Promise.all(late), [{ call: 2 }, { call: 2 }])
})

t.test('with sharedReads: false every call is sent', async (t) => {
  const { server, get } = await start(t, { sharedReads: false })
  await Promise.all([get('/users/1'), get('/users/1')])
  t.equal(server.calls.length, 2)
})

t.test('identical calls share one, which is cancelled when its last caller has left', async (t) => {
  const { server, get } = await start(t)
  server.answers.set('/users/1', () => {})
  const [first, second] = [new AbortController(), new AbortController()]
  const [one, two] = [get('/users/1', first.signal), get('/users/1', second.signal)]
  await until('the call has arrived', () => server.open() === 1)
  first.abort(new Error('first left'))
  await t.rejects(one, { message: 'first left' })
  t.equal(server.open(), 1)
  second.abort(new Error('second left'))
  await t.rejects(two, { message: 'second left' })
  await until('the call is cancelled', () => server.open() === 0)
  t.equal(server.calls.length, 1)
})

t.test('a call that fails is tried once more', async (t) => {
  const { server, get } = await start(t)
  server.answers.set('/users/1', (response) => {
    server.answers.clear()
    response.writeHead(503).end()
  })
  t.same(await get('/users/1'), user(1))
  t.equal(server.calls.length, 2)
})

t.test('a call whose connection breaks in the middle of the reply is tried once more', async (t) => {
  const { server, get } = await start(t)
  server.answers.set('/users/1', (response) => {
    server.answers.clear()
    response.writeHead(200, { 'content-length': 100 }).write('{"id":')
    response.socket?.destroy()
  })
  t.same(await get('/users/1'), user(1))
})

t.test('a call that would get the same reply again is not tried twice', async (t) => {
  const { server, get } = await start(t)
  server.answers.set('/users/1', (response) => response.writeHead(429).end())
  await t.rejects(get('/users/1'), { code: 'UPSTREAM_REFUSED', statusCode: 502, message: /answered 429/ })
  server.answers.set('/users/2', (response) => response.end('<html>'))
  await t.rejects(get('/users/2'), { code: 'UPSTREAM_MALFORMED', statusCode: 502 })
  t.equal(server.calls.length, 2)
})

t.test('a stalling upstream is a 504 after one attempt, and the connection is closed', async (t) => {
  const { server, get } = await start(t, { attemptTimeoutMs: 1_000 })
  server.answers.set('/users/1', () => {})
  server.answers.set('/users/2', (response) => response.writeHead(200).write('{'))
  await Promise.all(
    [1, 2].map((id) => t.rejects(get(`/users/${id}`), { code: 'UPSTREAM_TIMED_OUT', statusCode: 504 })),
  )
  await until('no call is open', () => server.open() === 0)
  t.equal(server.calls.length, 2)
})

t.test('retries stay within a share of the calls', async (t) => {
  const { server, get } = await start(t, { suspendMs: 1 })
  server.answers.set('/users', (response) => response.writeHead(500).end())
  let failed = 0
  while (failed < 60) {
    await get('/users/1').catch(({ code }) => {
      if (code === 'UPSTREAM_FAILED') failed++
    })
  }
  const retries = server.calls.length - 60
  t.ok(retries >= 10 && retries <= 17, `${retries} retries`)
})

t.test('after repeated failures calls are suspended', async (t) => {
  const registry = new Registry()
  const { server, get } = await start(t, { suspendMs: 60_000, registry })
  await server.stop()
  for (let i = 0; i < 10; i++) {
    await t.rejects(get('/users/1'), { code: 'UPSTREAM_UNAVAILABLE', statusCode: 502 })
  }
  await t.rejects(get('/users/1'), { code: 'UPSTREAM_SUSPENDED', statusCode: 503, retryAfterSeconds: 60 })
  t.match(await registry.metrics(), 'upstream_suspended 1')
  await server.start()
  await t.rejects(get('/users/1'), { code: 'UPSTREAM_SUSPENDED' })
  t.equal(server.calls.length, 0)
})

t.test('a moment after the suspension one call tries', async (t) => {
  const registry = new Registry()
  const { server, get } = await start(t, { suspendMs: 50, registry })
  await server.stop()
  for (let i = 0; i < 10; i++) await t.rejects(get('/users/1'))
  t.match(await registry.metrics(), 'upstream_suspended 1')
  await server.start()
  await until('the upstream is called again', () =>
    get('/users/1').then(
      () => true,
      () => false,
    ),
  )
  t.equal(server.calls.length, 1)
  t.match(await registry.metrics(), 'upstream_suspended 0')
})

t.test('a call that its caller aborted does not count for the breaker', async (t) => {
  const { server, get } = await start(t)
  server.answers.set('/users/1', () => {})
  for (let i = 0; i < 12; i++) {
    const client = new AbortController()
    const call = get('/users/1', client.signal)
    await until('the call has arrived', () => server.open() === 1)
    client.abort(new Error('left'))
    await t.rejects(call, { message: 'left' })
    await until('the call is cancelled', () => server.open() === 0)
  }
  t.same(await get('/users/2'), user(2))
})

t.test('ping bypasses the breaker', async (t) => {
  const { server, upstream, get } = await start(t, { suspendMs: 60_000 })
  await upstream.ping(staying)
  await server.stop()
  for (let i = 0; i < 10; i++) await t.rejects(get('/users/1'))
  await t.rejects(upstream.ping(staying))
  await server.start()
  await upstream.ping(staying)
  await t.rejects(get('/users/1'), { code: 'UPSTREAM_SUSPENDED' })
})

t.test('a connection that the upstream closed while idle or during a call is replaced', async (t) => {
  const { server, get } = await start(t, { connections: 1 })
  await get('/users/1')
  await server.stop()
  await server.start()
  t.same(await get('/users/2'), user(2))
  server.answers.set('/users/3', (response) => {
    server.answers.clear()
    response.socket?.destroy()
  })
  t.same(await get('/users/3'), user(3))
  t.equal(ports(server).size, 3)
})
