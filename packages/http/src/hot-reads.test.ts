import { once } from 'node:events'
import { connect } from 'node:net'
import { Registry } from '@prometheus-io/client'
import { delay, until } from '@reference/async'
import { stopClock } from '@reference/async/testing'
import t from 'tap'
import type { CachedReply } from './hot-reply.ts'
import { hotRow, IdParams, type ServerOptions, sendCached, shortReply } from './index.ts'
import { type Teardown, testServer } from './testing/test-server.ts'

/** A row that no tier has, which the test delivers. */
class SlowRow {
  reads = 0
  #outcome = Promise.withResolvers<CachedReply>()

  getSync(): undefined {}

  getText(): undefined {}

  get(): Promise<CachedReply> {
    this.reads++
    return this.#outcome.promise
  }

  deliver(json: string | undefined): void {
    this.#outcome.resolve({ bytes: json === undefined ? undefined : Buffer.from(json), from: 'miss' })
  }

  fail(error: Error): void {
    this.#outcome.reject(error)
  }
}

async function start(t: Teardown, options: Partial<ServerOptions> = {}) {
  const row = new SlowRow()
  const noSuchRow = () => Object.assign(new Error('There is no such row'), { statusCode: 404 })
  const server = await testServer(t, { registry: new Registry(), fastPath: true, ...options }, (app) => {
    app.get(
      '/rows/:id',
      { ...shortReply, config: hotRow(row), schema: { params: IdParams } },
      (request, reply) => sendCached(reply, row, request.params.id, noSuchRow),
    )
  })
  const metric = async (pattern: RegExp) => {
    const text = await (await server.get('/metrics')).text()
    return Number(pattern.exec(text)?.[1] ?? 0)
  }
  return {
    ...server,
    row,
    isRead: (times = 1) => until('the row is read', () => row.reads === times),
    answeredHot: () => metric(/^http_fast_path_requests_total\{route="\/rows\/:id"\} (\d+)/m),
    counted: (status: number) =>
      metric(
        new RegExp(
          `^http_request_duration_seconds_count\\{.*route="/rows/:id".*status="${status}".*\\} (\\d+)`,
          'm',
        ),
      ),
    refused: (status: number) =>
      metric(new RegExp(`^http_requests_refused_total\\{status="${status}"\\} (\\d+)`, 'm')),
    isIdle: () => until('no request is in flight', () => server.app.lifecycle.inFlight.size === 0),
  }
}

t.test('a row that is not at hand is read, and its reply is hot', async (t) => {
  const { app, get, row, isRead, answeredHot, counted } = await start(t)
  const reply = get('/rows/1', { 'x-request-id': 'mine' })
  await isRead()
  t.equal(app.lifecycle.inFlight.size, 1)
  row.deliver('{"id":1}')
  const { status, headers } = await reply
  t.match(
    { status, cache: headers.get('x-cache'), id: headers.get('x-request-id') },
    { status: 200, cache: 'miss', id: 'mine' },
  )
  t.equal(await (await reply).text(), '{"id":1}')
  t.equal(await answeredHot(), 1)
  t.equal(await counted(200), 1)
})

t.test('Fastify answers what has no plain reply, from the same read', async (t) => {
  await t.test('a row that does not exist', async (t) => {
    const { get, row, answeredHot, counted } = await start(t)
    row.deliver(undefined)
    const reply = await get('/rows/1')
    t.match(await reply.json(), { status: 404, detail: 'There is no such row' })
    t.equal(reply.headers.get('x-cache'), 'miss')
    t.equal(row.reads, 1)
    t.equal(await answeredHot(), 0)
    t.equal(await counted(404), 1)
  })
  await t.test('a read that fails', async (t) => {
    const { get, row, isRead, lines } = await start(t)
    const failing = get('/rows/1', { 'x-request-id': 'failed' })
    await isRead()
    row.fail(Object.assign(new Error('No database'), { statusCode: 503, code: 'DATABASE_UNAVAILABLE' }))
    t.match(await (await failing).json(), { status: 503, code: 'DATABASE_UNAVAILABLE', requestId: 'failed' })
    t.equal(row.reads, 1)
    t.match(
      lines.filter(({ requestId }) => requestId === 'failed'),
      [{ msg: 'request failed' }],
      'logged once',
    )
  })
  await t.test('the last reply of a connection', async (t) => {
    const { app, get, row, isRead } = await start(t)
    const reply = get('/rows/1')
    await isRead()
    app.lifecycle.setLastReplies(true)
    row.deliver('{"id":1}')
    t.equal((await reply).headers.get('connection'), 'close')
    t.same(await (await reply).json(), { id: 1 })
    t.equal(row.reads, 1)
  })
})

t.test('the time of the read is part of the duration, also when Fastify answers', async (t) => {
  const { get, row, isRead } = await start(t)
  const reply = get('/rows/1')
  await isRead()
  await new Promise((resolve) => setTimeout(resolve, 60))
  row.deliver(undefined)
  t.equal((await reply).status, 404)
  const text = await (await get('/metrics')).text()
  const sum = /^http_request_duration_seconds_sum\{.*route="\/rows\/:id".*\} ([\d.]+)/m.exec(text)?.[1]
  t.ok(Number(sum) > 0.05, `${sum} s`)
})

t.test('the rate limit counts a request once', async (t) => {
  stopClock(t)
  const { get, row } = await start(t, { rateLimitRps: 3 })
  row.deliver(undefined)
  const statuses: number[] = []
  for (let n = 0; n < 4; n++) statuses.push((await get('/rows/1')).status)
  t.same(statuses, [404, 404, 404, 429])
})

t.test(
  'a request that waits for its row takes part of the limit, and further ones are refused',
  async (t) => {
    const { get, row, isRead, isIdle } = await start(t, {
      overload: { concurrency: { minimum: 2, maximum: 2 } },
    })
    const replies = [get('/rows/1'), get('/rows/2')]
    await isRead(2)
    t.equal((await get('/rows/3')).status, 503)
    t.equal(row.reads, 2)
    row.deliver(undefined)
    t.same(
      (await Promise.all(replies)).map(({ status }) => status),
      [404, 404],
    )
    await isIdle()
    t.equal((await get('/rows/4')).status, 404, 'the limit is free again')
  },
)

t.test('a client that leaves is counted as such, and its row is not written', async (t) => {
  for (const outcome of ['row', 'none', 'error'] as const) {
    const { port, row, isRead, isIdle, counted, get } = await start(t)
    const socket = connect(port, '127.0.0.1')
    socket.write('GET /rows/1 HTTP/1.1\r\nHost: test\r\n\r\n')
    await isRead()
    socket.destroy()
    await isIdle()
    if (outcome === 'error') row.fail(new Error('late'))
    else row.deliver(outcome === 'row' ? '{}' : undefined)
    t.equal(await counted(499), 1, outcome)
    t.equal((await get('/health')).status, 200)
  }
})

t.test('bytes that are no request are refused after the row before them', async (t) => {
  const { port, row, isRead, isIdle, counted, refused } = await start(t)
  const socket = connect(port, '127.0.0.1')
  let received = ''
  socket.setEncoding('latin1').on('data', (chunk) => {
    received += chunk
  })
  socket.write('GET /rows/1 HTTP/1.1\r\nHost: test\r\n\r\n')
  await isRead()
  for (let packet = 0; packet < 3; packet++) {
    socket.write('\x00\x01 nonsense\r\n\r\n')
    await delay(5)
  }
  t.equal(received, '')
  row.deliver('{"id":1}')
  await once(socket, 'close')
  await isIdle()
  t.match(received, /^HTTP\/1\.1 200 [^{]*\{"id":1\}HTTP\/1\.1 400 [^{]*\{[^{]*\}$/)
  t.equal(await counted(200), 1)
  t.equal(await refused(400), 1)
})

t.test('a pipelined request waits for the row before it', async (t) => {
  const { row, raw } = await start(t)
  setTimeout(() => row.deliver('{"id":1}'), 20)
  const received = await raw(
    'GET /rows/1 HTTP/1.1\r\nHost: test\r\n\r\nGET /health HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\r\n',
  )
  t.match(received, /\{"id":1\}HTTP\/1\.1 200 OK[\s\S]*"ok"/)
})
