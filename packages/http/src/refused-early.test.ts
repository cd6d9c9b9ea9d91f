import { Agent, type ClientRequest, type IncomingMessage, request } from 'node:http'
import { connect } from 'node:net'
import { until } from '@reference/async'
import { AppError } from '@reference/errors'
import t from 'tap'
import { MAX_DISCARDED_BYTES } from './kept-connection.ts'
import { exampleRoutes, type Teardown, testServer } from './testing/test-server.ts'

const LAST = 'GET /health HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n'

t.test('without a route or with a wrong method the body is not parsed', async (t) => {
  const { raw } = await testServer(t)
  // A body that would be refused if it were parsed.
  const body = '{"broken'
  const head = `host: x\r\ncontent-type: application/json\r\ncontent-length: ${body.length}`
  for (const [start, status] of [
    ['POST /nope', 404],
    ['PUT /users/7', 405],
    ['PATCH /health', 405],
    ['DELETE /nope', 404],
    ['POST /%ff', 400],
  ] as const) {
    const answer = await raw(`${start} HTTP/1.1\r\n${head}\r\n\r\n${body}${LAST}`)
    t.match(answer, new RegExp(`^HTTP/1.1 ${status} .*HTTP/1.1 200 `, 's'), `${start}: the connection stays`)
    t.notMatch(answer, /MALFORMED_JSON/)
  }
})

t.test('a client that asks first sends no body to be refused', async (t) => {
  const { raw } = await testServer(t)
  const ask = (start: string) =>
    `${start} HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: 12\r\nexpect: 100-continue\r\n`
  t.match(await raw(`${ask('POST /nope')}\r\n`), /^HTTP\/1.1 404 .*\r\nconnection: close\r\n/is)
  t.match(await raw(`${ask('PUT /users/7')}\r\n`), /^HTTP\/1.1 405 /)
  const sent = await raw(`${ask('POST /users')}connection: close\r\n\r\n{"name":"a"}`)
  t.match(sent, /^HTTP\/1.1 100 Continue\r\n\r\nHTTP\/1.1 201 /)
})

t.test('a chunked body without a route is discarded up to a limit', async (t) => {
  const { raw, port } = await testServer(t)
  const head =
    'POST /nope HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ntransfer-encoding: chunked\r\n\r\n'
  const kept = await raw(`${head}5\r\nhello\r\n0\r\n\r\n${LAST}`)
  t.match(kept, /^HTTP\/1.1 404 .*HTTP\/1.1 200 /s)
  const chunk = `100000\r\n${'x'.repeat(0x100000)}\r\n`
  const socket = connect(port, '127.0.0.1')
  socket.on('error', () => {})
  socket.resume().write(head + chunk.repeat(MAX_DISCARDED_BYTES / 0x100000 + 2))
  await until('the connection is closed', () => socket.closed)
})

t.test('a body that is announced as too long to discard closes the connection', async (t) => {
  const { raw } = await testServer(t)
  for (const start of ['POST /nope', 'GET /users/1', 'POST /users']) {
    const answer = await raw(
      `${start} HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: ${MAX_DISCARDED_BYTES + 1}\r\n\r\n`,
    )
    t.match(answer, /^HTTP\/1.1 4(04|13) .*\r\nconnection: close\r\n/is, start)
  }
})

t.test('the body of a GET is discarded up to the limit', async (t) => {
  const { raw } = await testServer(t)
  const head = 'GET /users/1 HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n'
  t.match(await raw(`${head}5\r\nhello\r\n0\r\n\r\n${LAST}`), /^HTTP\/1.1 200 .*HTTP\/1.1 200 /s)
})

/** Routes that fail in the handler, and some that fail before. */
async function failing(t: Teardown, options = {}) {
  return testServer(t, options, (app) => {
    exampleRoutes(app)
    for (const status of [400, 401, 403, 404, 408, 409, 413, 415, 422, 429, 500, 503]) {
      app.post(`/fail/${status}`, async () => {
        throw new AppError('FAILED', status, 'fails')
      })
    }
  })
}

interface Reply {
  status: number
  connection: string | undefined
  keepAlive: string | undefined
}

function send(
  url: string,
  {
    method = 'POST',
    agent,
    body,
    headers = {},
  }: { method?: string; agent: Agent; body?: string; headers?: object },
): Promise<Reply> {
  return new Promise((resolve, reject) => {
    const sent: ClientRequest = request(
      url,
      { method, agent, headers: { 'content-type': 'application/json', ...headers } },
      async (response: IncomingMessage) => {
        for await (const _ of response);
        const { connection, 'keep-alive': keepAlive } = response.headers
        resolve({ status: response.statusCode ?? 0, connection, keepAlive: String(keepAlive) })
      },
    )
    sent.on('error', reject)
    sent.end(body)
  })
}

t.test('each refusal says what happens to the connection, and that happens', async (t) => {
  const { url } = await failing(t, { bodyLimitBytes: 2000 })
  const agent = new Agent({ keepAlive: true, maxSockets: 1 })
  t.teardown(() => agent.destroy())
  const statuses = [400, 401, 403, 404, 408, 409, 413, 415, 422, 429, 500, 503]
  const cases: [path: string, body: string, headers?: object][] = [
    ...statuses.map((status): [string, string] => [`/fail/${status}`, '{}']),
    ['/users', '{'],
    ['/users', ''],
    ['/users', '{"name":""}'],
    ['/users', 'x'.repeat(3000)],
    ['/users', 'x', { 'content-type': 'text/csv' }],
    ['/users', '{}', { 'content-type': 'application/json; charset=utf-16' }],
    ['/users', '{}', { 'content-encoding': 'gzip' }],
    ['/users', '{"name":"x"}', { 'transfer-encoding': 'chunked' }],
    ['/nope', '{}'],
    ['/%ff', '{}'],
    ['/health', '{}'],
  ]
  for (let round = 0; round < 20; round++) {
    for (const [path, body, headers = {}] of cases) {
      const { connection, keepAlive, status } = await send(url + path, { agent, body, headers })
      t.equal(connection, 'keep-alive', `${path} ${body.slice(0, 20)} ${status}`)
      t.equal(keepAlive, 'timeout=65')
    }
  }
})

t.test('a client that closes, and a server that shuts down, get a reply that says so', async (t) => {
  const { raw, app } = await failing(t)
  const ask = (body: string, close: string) =>
    raw(
      `POST /users HTTP/1.1\r\nhost: x\r\n${close}content-type: application/json\r\ncontent-length: ${body.length}\r\n\r\n${body}`,
    )
  for (const body of ['{', '{"name":""}']) {
    t.match(await ask(body, 'connection: close\r\n'), /^HTTP\/1.1 400 .*\r\nconnection: close\r\n/is)
  }
  app.lifecycle.setLastReplies(true)
  for (const body of ['{', '{"name":""}']) {
    t.match(await ask(body, ''), /^HTTP\/1.1 400 .*\r\nconnection: close\r\n/is, 'draining')
  }
})

t.test('a handler that closes the connection keeps that decision when it fails', async (t) => {
  const { raw } = await testServer(t, {}, (app) => {
    const fail = async (_request: unknown, reply: { header(name: string, value: string): unknown }) => {
      reply.header('connection', 'close')
      throw new AppError('FAILED', 409, 'fails')
    }
    app.post('/closes', fail)
    app.get('/closes', fail)
  })
  for (const head of [
    'GET /closes HTTP/1.1\r\nhost: x\r\n\r\n',
    'POST /closes HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: 2\r\n\r\n{}',
  ]) {
    t.match(await raw(head), /^HTTP\/1.1 409 .*\r\nconnection: close\r\n/is)
  }
})

t.test('while Fastify closes, a failed request gets a reply that says so', async (t) => {
  let finish = () => {}
  const { app, port } = await testServer(t, {}, (app) => {
    app.post('/fails', async () => {
      await new Promise<void>((resolve) => {
        finish = resolve
      })
      throw new AppError('FAILED', 409, 'fails')
    })
  })
  const ask =
    'POST /fails HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: 2\r\n\r\n{}'
  const socket = connect(port, '127.0.0.1')
  let received = ''
  socket.setEncoding('latin1').on('data', (text) => {
    received += text
  })
  socket.on('error', () => {})
  socket.write(ask)
  await until('the request is in flight', () => app.lifecycle.inFlight.size === 1)
  const closed = app.close()
  await until('the server closes', () => !app.server.listening)
  // Pipelined behind the first one.
  socket.write(ask)
  await until('both are answered', () => {
    finish()
    return received.match(/HTTP\/1.1 409/g)?.length === 2
  })
  t.match(received.slice(received.lastIndexOf('HTTP/1.1')), /\r\nconnection: close\r\n/i)
  socket.destroy()
  await closed
})

t.test('HTTP/1.0 with keep-alive is kept after a refusal', async (t) => {
  const { raw } = await failing(t)
  const head = 'connection: keep-alive\r\ncontent-type: application/json\r\ncontent-length: 1\r\n\r\n{'
  const answer = await raw(`POST /users HTTP/1.0\r\n${head}${LAST}`)
  t.match(answer, /^HTTP\/1.1 400 .*connection: keep-alive.*HTTP\/1.1 200 /is)
})

t.test('a Host that names no host is refused', async (t) => {
  const { raw } = await testServer(t)
  const ask = (host: string) => raw(`GET /health HTTP/1.1\r\nHost:${host}\r\nConnection: close\r\n\r\n`)
  for (const host of [
    '',
    ' ',
    ' a b',
    ' <script>',
    ' a/b',
    ' user@host',
    ' :80',
    ' a:b',
    ' a:123456',
    ' [::1',
    ' \xe9',
  ]) {
    const answer = await ask(host)
    t.match(answer, /^HTTP\/1.1 400 .*"code":"HOST_INVALID"/s, host)
  }
  for (const host of [' x', ' example.org:8000', ' [::1]:80', ' 127.0.0.1', ' a_b-c', ' a:']) {
    t.match(await ask(host), /^HTTP\/1.1 200 /, host)
  }
})

t.test('a transfer coding other than chunked is refused', async (t) => {
  const { raw } = await testServer(t)
  const ask = (coding: string) =>
    raw(
      `POST /any HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\nconnection: close\r\ntransfer-encoding: ${coding}\r\n\r\n2\r\n{}\r\n0\r\n\r\n`,
    )
  t.match(await ask('gzip, chunked'), /^HTTP\/1.1 400 .*"code":"TRANSFER_CODING_UNSUPPORTED"/s)
  t.match(await ask('chunked, chunked'), /^HTTP\/1.1 400 /)
  t.match(await ask('Chunked'), /^HTTP\/1.1 200 /)
})

t.test('a client that leaves during a long reply is no line of the log', async (t) => {
  const { url, lines, app } = await testServer(t, {}, (app) => {
    app.get('/long', async () => 'x'.repeat(10_000_000))
  })
  for (let count = 0; count < 5; count++) {
    const leave = new AbortController()
    const response = await fetch(`${url}/long`, {
      signal: leave.signal,
      headers: { 'accept-encoding': 'gzip' },
    })
    t.equal(response.status, 200)
    leave.abort()
  }
  await until('nothing is in flight', () => app.lifecycle.inFlight.size === 0)
  t.same(
    lines.filter(({ msg }) => /closed prematurely|left/.test(String(msg))),
    [],
  )
})
