import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import { Registry } from '@prometheus-io/client'
import { until } from '@reference/async'
import t from 'tap'
import { type Teardown, type TestServer, testServer } from './testing/test-server.ts'
import type { App, Priority } from './types.ts'

/** Four routes, one of each priority, that answer when they are released. */
async function heldServer(t: Teardown, concurrency: { minimum?: number; maximum?: number } | false) {
  const held: (() => void)[] = []
  const registry = new Registry()
  const handler = () => new Promise<object>((resolve) => held.push(() => resolve({ ok: true })))
  const routes = (app: App) => {
    app.get('/row', { config: { hot: () => undefined } }, handler)
    app.get('/list', handler)
    app.post('/row', handler)
    app.get('/report', { config: { priority: 'report' } }, handler)
    app.post('/fails', async () => {
      throw new Error('broken')
    })
  }
  const server = await testServer(t, { registry, overload: { concurrency } }, routes)
  const metric = async (name: string) => {
    const text = await (await server.get('/metrics')).text()
    return Number(
      text
        .split('\n')
        .find((line) => line.startsWith(`${name} `))
        ?.split(' ')
        .at(-1),
    )
  }
  return {
    ...server,
    metric,
    held,
    inFlight: (count: number) =>
      until(`${count} in flight`, async () => (await metric('http_concurrency_in_flight')) === count),
    release() {
      for (const answer of held.splice(0)) answer()
    },
  }
}

type Held = Awaited<ReturnType<typeof heldServer>>

/** Sends requests of a priority until one is refused, and keeps them in flight. */
async function fill(server: Held, send: () => Promise<Response>): Promise<Promise<Response>[]> {
  const sent: Promise<Response>[] = []
  for (;;) {
    const before = server.held.length
    const reply = send()
    let status = 0
    reply.then((answer) => {
      status = answer.status
    })
    await until('it is in flight or refused', () => status === 503 || server.held.length > before)
    if (status === 503) return sent
    sent.push(reply)
  }
}

t.test(
  'the lowest priority is refused first: reports, writes, reads, then what is usually cached',
  async (t) => {
    const server = await heldServer(t, { minimum: 10, maximum: 10 })
    const calls: Record<Priority, () => Promise<Response>> = {
      report: () => server.get('/report'),
      write: () => server.post('/row', '{}'),
      read: () => server.get('/list'),
      cached: () => server.get('/row'),
    }
    const taken: Record<string, number> = {}
    const sent: Promise<Response>[] = []
    for (const [priority, send] of Object.entries(calls)) {
      const added = await fill(server, send)
      sent.push(...added)
      taken[priority] = added.length
    }
    t.same(taken, { report: 5, write: 3, read: 1, cached: 1 })
    t.equal((await server.get('/health')).status, 200)
    t.equal((await server.get('/nothing')).status, 404, 'what has no route does no work')
    t.match(await (await server.get('/ready')).json(), {
      status: 'degraded',
      checks: [
        { name: 'overload', status: 'degraded', error: 'OVERLOADED', reason: /10 in flight, limit 10/ },
      ],
    })
    server.release()
    for (const reply of sent) t.equal((await reply).status, 200)
    for (const priority of Object.keys(calls)) {
      t.equal(await server.metric(`http_overload_refused_total{priority="${priority}",reason="limit"}`), 1)
    }
  },
)

t.test('a refusal is a 503 with retry-after, before the token is checked and the body is read', async (t) => {
  const server = await testServer(
    t,
    { auth: 'token', overload: { concurrency: { minimum: 1, maximum: 1 } } },
    (app) => {
      app.get('/held', () => new Promise(() => {}))
      app.post('/written', { config: { scope: 'write' } }, async () => ({}))
    },
  )
  const holding = await open(server)
  holding.write('GET /held HTTP/1.1\r\nhost: x\r\n\r\n')
  await until('one is in flight', () => server.app.lifecycle.inFlight.size === 1)
  const socket = await open(server)
  socket.write(
    'POST /written HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: 500000\r\n\r\n{"a":',
  )
  const [bytes] = await once(socket, 'data')
  const reply = String(bytes)
  t.match(reply, /^HTTP\/1\.1 503 /)
  t.match(reply, /\r\nretry-after: 1\r\n/)
  t.match(reply, /\r\ncontent-type: application\/problem\+json\r\n/)
  t.match(reply, '"code":"OVERLOADED"')
  for (const each of [holding, socket]) each.destroy()
})

t.test('without the limit no request is refused', async (t) => {
  const server = await heldServer(t, false)
  const sent = Array.from({ length: 400 }, () => server.get('/report'))
  await until('all are in flight', () => server.held.length === 400)
  server.release()
  for (const reply of sent) t.equal((await reply).status, 200)
})

t.test('a request is no longer in flight when it has failed, or when its client has left', async (t) => {
  const server = await heldServer(t, { minimum: 10, maximum: 10 })
  t.equal((await server.post('/fails', '{}')).status, 500)
  t.equal((await server.post('/row', 'no JSON')).status, 400)
  await server.inFlight(0)

  const leaving = new AbortController()
  const left = fetch(`${server.url}/list`, { signal: leaving.signal })
  await server.inFlight(1)
  leaving.abort()
  await t.rejects(left)
  await server.inFlight(0)

  const socket = await open(server)
  socket.write(
    'POST /row HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: 100\r\n\r\n{"a"',
  )
  await server.inFlight(1)
  socket.destroy()
  await server.inFlight(0)
})

t.test('a client that reads slowly takes no part of the limit', async (t) => {
  const large = Buffer.alloc(20_000_000, ' ')
  const registry = new Registry()
  const server = await testServer(
    t,
    { registry, compression: false, overload: { concurrency: { minimum: 1, maximum: 1 } } },
    (app) => {
      app.get('/large', (_request, reply) => reply.type('text/plain').send(large))
    },
  )
  const socket = await open(server)
  socket.pause()
  socket.write('GET /large HTTP/1.1\r\nhost: x\r\n\r\n')
  await until('its reply is being sent', () => server.app.lifecycle.inFlight.size === 1)
  const other = await server.get('/large')
  t.equal(other.status, 200)
  t.equal((await other.arrayBuffer()).byteLength, large.length)
  t.equal(server.app.lifecycle.inFlight.size, 1, 'the first reply is not read yet')
  socket.destroy()
})

t.test('many refusals have few lines: the first, their number, and the end', async (t) => {
  const server = await heldServer(t, { minimum: 1, maximum: 1 })
  const first = server.get('/row')
  await server.inFlight(1)
  for (let n = 0; n < 50; n++) t.equal((await server.get('/row')).status, 503)
  server.release()
  await first
  const refusals = () => server.lines.filter(({ msg }) => /refused/.test(String(msg)))
  t.match(refusals(), [{ msg: 'request refused', code: 'OVERLOADED', path: '/row', reason: /overloaded/ }])
  server.app.refusals.report()
  server.app.refusals.report()
  t.match(refusals().slice(1), [
    { msg: 'requests refused', code: 'OVERLOADED', refused: 49, total: 50 },
    { msg: 'no further request is refused', code: 'OVERLOADED', total: 50 },
  ])
  t.equal(refusals().length, 3)
})

async function open({ port }: TestServer): Promise<Socket> {
  const socket = connect(port, '127.0.0.1').on('error', () => {})
  await once(socket, 'connect')
  return socket
}
