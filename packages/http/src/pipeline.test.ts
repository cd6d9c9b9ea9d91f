import { connect } from 'node:net'
import { Registry } from '@prometheus-io/client'
import { delay, until } from '@reference/async'
import t from 'tap'
import type { App } from './index.ts'
import { MAX_RUNNING, MAX_WAITING } from './pipeline.ts'
import { type Teardown, testServer } from './testing/test-server.ts'

const get = (path: string) => `GET ${path} HTTP/1.1\r\nHost: test\r\n\r\n`
const write = (method: string, body: string) =>
  `${method} /value HTTP/1.1\r\nHost: test\r\nContent-Type: application/json\r\nContent-Length: ${body.length}\r\n\r\n${body}`
const LAST = 'GET /health HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\r\n'

/** A value that a slow write changes: earlier writes take longer. */
async function slowWrites(t: Teardown) {
  let value = 0
  let running = 0
  let most = 0
  let wait = 20
  const server = await testServer(t, {}, (app) => {
    app.patch('/value', async ({ body }) => {
      running++
      most = Math.max(most, running)
      wait -= 4
      await delay(wait)
      value = (body as { value: number }).value
      running--
      return { value }
    })
    app.get('/value', async () => ({ value }))
  })
  return { ...server, value: () => value, most: () => most }
}

t.test('of five pipelined writes of a row the last one stays', async (t) => {
  const { raw, value, most } = await slowWrites(t)
  const writes = [1, 2, 3, 4, 5].map((n) => write('PATCH', JSON.stringify({ value: n })))
  const replies = await raw(writes.join('') + LAST)
  t.equal(value(), 5)
  t.equal(most(), 1)
  t.same(
    [...replies.matchAll(/\{"value":(\d)\}/g)].map(([, n]) => n),
    ['1', '2', '3', '4', '5'],
  )
})

t.test('a pipelined read sees the writes before it, and not those after it', async (t) => {
  const { raw } = await slowWrites(t)
  const replies = await raw(
    write('PATCH', '{"value":1}') + get('/value') + write('PATCH', '{"value":2}') + get('/value') + LAST,
  )
  t.same(
    [...replies.matchAll(/\{"value":(\d)\}/g)].map(([, n]) => n),
    ['1', '1', '2', '2'],
  )
})

t.test('writes of different connections run side by side', async (t) => {
  let running = 0
  const { raw } = await testServer(t, {}, (app) => {
    app.patch('/value', async () => {
      running++
      await until('another one runs', () => running > 1)
      return {}
    })
  })
  const replies = await Promise.all(
    [1, 2].map((n) => raw(write('PATCH', JSON.stringify({ value: n })) + LAST)),
  )
  for (const reply of replies) t.match(reply, /^HTTP\/1.1 200/)
})

t.test('a write that arrives in parts waits and is complete', async (t) => {
  const { port, value } = await slowWrites(t)
  const socket = connect(port, '127.0.0.1')
  t.teardown(() => socket.destroy())
  let received = ''
  socket.setEncoding('latin1').on('data', (text) => {
    received += text
  })
  const second = write('PATCH', '{"value":2}')
  socket.write(write('PATCH', '{"value":1}') + second.slice(0, -5))
  await delay(5)
  socket.write(second.slice(-5))
  await until('both are answered', () => received.match(/HTTP\/1.1 200/g)?.length === 2)
  t.equal(value(), 2)
})

for (const fastPath of [true, false]) {
  t.test(`malformed bytes are refused after the replies before them, fast path ${fastPath}`, async (t) => {
    let reads: ReturnType<typeof heldReads> | undefined
    const { raw, get: fetchPath } = await testServer(t, { fastPath, registry: new Registry() }, (app) => {
      reads = heldReads(app)
      app.post('/echo', async ({ body }) => body)
    })
    const statuses = async (bytes: string) =>
      [...(await raw(bytes)).matchAll(/HTTP\/1.1 (\d+)/g)].map(([, status]) => Number(status))
    const timer = setInterval(() => reads?.release(), 5)
    t.teardown(() => clearInterval(timer))
    const brokenBody =
      'POST /echo HTTP/1.1\r\nHost: test\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n'
    const overflow = `GET /health HTTP/1.1\r\nHost: test\r\nx-long: ${'a'.repeat(20_000)}\r\n\r\n`
    t.same(await statuses(`${get('/health')}NONSENSE\r\n\r\n`), [200, 400], 'after a reply that is ready')
    t.same(await statuses(`${get('/held')}NONSENSE\r\n\r\n`), [200, 400], 'after a reply that takes time')
    t.same(
      await statuses(`${get('/held').repeat(20)}GET /\u00fc`),
      Array(20).fill(200).concat(400),
      'after many',
    )
    t.same(await statuses(get('/held') + overflow), [200, 431], 'a header over the limit')
    t.same(await statuses(get('/held') + brokenBody), [200, 400], 'the body of the next request')
    t.same(await statuses(brokenBody), [400], 'a body without a request before it')
    const metrics = await (await fetchPath('/metrics')).text()
    t.match(metrics, /http_request_duration_seconds_count\{[^}]*route="\/held"[^}]*status="200"[^}]*\} 23\n/)
  })
}

t.test('a last reply of a connection is sent whole, and bytes after it are ignored', async (t) => {
  const { raw } = await testServer(t, { compression: false }, (app) => {
    app.get('/page', async () => 'x'.repeat(3_000_000))
  })
  const reply = await raw(`${LAST.replace('/health', '/page')}NONSENSE\r\n\r\n`)
  t.match(reply, /^HTTP\/1.1 200/)
  t.ok(reply.length > 3_000_000)
  t.notMatch(reply, 'HTTP/1.1 400')
})

/** Reads that end when they are released. */
function heldReads(app: App) {
  const waiting: (() => void)[] = []
  let started = 0
  app.get('/held', async () => {
    started++
    await new Promise<void>((resolve) => waiting.push(resolve))
    return 'x'
  })
  return {
    started: () => started,
    release: () => {
      for (const resolve of waiting.splice(0)) resolve()
    },
  }
}

t.test('a bounded number of pipelined reads runs at once, and each is answered', async (t) => {
  let reads: ReturnType<typeof heldReads> | undefined
  const { raw } = await testServer(t, {}, (app) => {
    reads = heldReads(app)
  })
  const answers = raw(get('/held').repeat(50) + LAST)
  await until('the first reads run', () => reads?.started() === MAX_RUNNING)
  await delay(20)
  t.equal(reads?.started(), MAX_RUNNING)
  const timer = setInterval(() => reads?.release(), 1)
  t.teardown(() => clearInterval(timer))
  t.equal((await answers).match(/HTTP\/1.1 200/g)?.length, 51)
})

t.test('a connection with too many requests that wait is closed, and its requests do not run', async (t) => {
  let reads: ReturnType<typeof heldReads> | undefined
  const { port } = await testServer(t, {}, (app) => {
    reads = heldReads(app)
  })
  const socket = connect(port, '127.0.0.1')
  socket.on('error', () => {})
  socket.write(get('/held').repeat(MAX_RUNNING + MAX_WAITING + 100))
  await until('the connection is closed', () => socket.closed)
  reads?.release()
  await delay(20)
  t.equal(reads?.started(), MAX_RUNNING)
})

t.test('requests behind the last reply of a connection do not run', async (t) => {
  const { raw, value } = await slowWrites(t)
  const last = write('PATCH', '{"value":1}').replace('Host: test', 'Host: test\r\nConnection: close')
  await raw(last + write('PATCH', '{"value":2}'))
  await delay(30)
  t.equal(value(), 1)
})

t.test('replies that are never read take bounded memory, and their connection is closed', async (t) => {
  let computed = 0
  const { port, app } = await testServer(t, { sendTimeoutMs: 300, compression: false }, (app) => {
    app.get('/page', async () => {
      computed++
      return 'x'.repeat(200_000)
    })
  })
  const before = process.memoryUsage().rss
  const sockets = Array.from({ length: 20 }, () => {
    const socket = connect(port, '127.0.0.1')
    socket.on('error', () => {})
    socket.pause()
    // As many as may wait, three times as large as the sockets' buffers.
    socket.write(get('/page').repeat(MAX_WAITING))
    return socket
  })
  t.teardown(() => {
    for (const socket of sockets) socket.destroy()
  })
  await until('each connection has a reply', () => computed >= 20)
  await delay(100)
  // Without a bound 20 × 100 replies of 200 KB are 400 MB.
  t.ok(computed < 1000, `${computed} of 2000 replies were computed`)
  t.ok(process.memoryUsage().rss - before < 250_000_000)
  await until('the connections are closed', () => app.lifecycle.inFlight.size === 0)
  await until('all of them', async () => {
    const count = await new Promise<number>((resolve) =>
      app.server.getConnections((_error, open) => resolve(open)),
    )
    return count === 0
  })
})

t.test('a slow client that reads is not closed', async (t) => {
  const { port } = await testServer(t, { sendTimeoutMs: 2500, compression: false }, (app) => {
    app.get('/page', async () => 'x'.repeat(20_000_000))
  })
  const socket = connect(port, '127.0.0.1')
  t.teardown(() => socket.destroy())
  let received = 0
  socket.on('data', (bytes) => {
    received += bytes.length
    socket.pause()
    // All of it takes longer than the limit.
    setTimeout(() => socket.resume(), 15)
  })
  socket.write(get('/page'))
  await until('everything arrived', () => received > 20_000_000 || socket.closed, { timeoutMs: 30_000 })
  t.ok(received > 20_000_000, `${received} bytes`)
})
