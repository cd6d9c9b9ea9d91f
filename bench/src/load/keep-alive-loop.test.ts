import { once } from 'node:events'
import { type AddressInfo, createServer as createTcpServer, type Socket } from 'node:net'
import t from 'tap'
import { listen } from '../../testing/listen.ts'
import { KeepAliveLoop } from './keep-alive-loop.ts'
import { ReplyReader } from './reply-reader.ts'

/** Runs slices until one fails: the client learns a moment later that a server closed a connection. */
async function untilRejected(run: () => Promise<unknown>): Promise<never> {
  while (true) await run()
}

t.test('slices keep their connections, count replies and send every request', async (t) => {
  const seen = new Set<string | undefined>()
  let answered = 0
  const { origin, opened } = await listen(t, ({ url }, response) => {
    seen.add(url)
    answered++
    response.end('x'.repeat(100))
  })
  const requests = Array.from({ length: 10 }, (_, i) => ({ path: `/${i}` }))
  const loop = new KeepAliveLoop({ origin, connections: 4, requests })
  t.teardown(() => loop.close())
  const [first, second] = [await loop.run(150), await loop.run(150)]
  t.equal(opened(), 4)
  t.match([first.errors, second.errors], [0, 0])
  t.ok(first.answered > 0 && second.answered > 0)
  t.equal(first.answered + second.answered, answered, 'the replies in flight at the end of a slice count')
  t.ok(first.bytes > first.answered * 100)
  // As many slices as a slow machine needs.
  for (let more = 0; more < 20 && seen.size < 10; more++) await loop.run(150)
  t.equal(seen.size, 10)
})

t.test('a connection that the server closed between slices is opened again', async (t) => {
  const { origin, opened } = await listen(t, ({ socket }, response) => {
    response.end('ok', () => setImmediate(() => socket.end()))
  })
  const loop = new KeepAliveLoop({ origin, connections: 2, requests: [{ path: '/' }] })
  t.teardown(() => loop.close())
  t.ok((await loop.run(50)).answered > 0)
  // The client learns a moment later that its connections are closed.
  while (opened() < 4) await loop.run(50)
  while ((await loop.run(50)).answered === 0);
})

t.test('failures and lost connections are errors', async (t) => {
  let count = 0
  const { origin } = await listen(t, ({ socket }, response) => {
    count++
    if (count === 20) socket.destroy()
    else response.writeHead(count % 2 === 0 ? 503 : 200).end('ok')
  })
  const loop = new KeepAliveLoop({ origin, connections: 2, requests: [{ path: '/' }] })
  t.teardown(() => loop.close())
  let [answered, errors] = [0, 0]
  while (count <= 20) {
    const slice = await loop.run(200)
    answered += slice.answered
    errors += slice.errors
  }
  t.ok(Math.abs(errors - answered / 2) <= 3, `${errors} errors of ${answered}`)
})

t.test('a server that refuses connections fails the slice', async (t) => {
  const loop = new KeepAliveLoop({ origin: 'http://127.0.0.1:1', connections: 1, requests: [{ path: '/' }] })
  await t.rejects(loop.run(10), { code: 'ECONNREFUSED' })
})

t.test('when a connection cannot be opened, the others are closed', async (t) => {
  const sockets: Socket[] = []
  const server = createTcpServer((socket) => {
    sockets.push(socket)
    socket.on('data', () => socket.write('HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok'))
    socket.on('error', () => {})
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  const origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  const loop = new KeepAliveLoop({ origin, connections: 2, requests: [{ path: '/' }] })
  await loop.run(20)
  const [ended, kept] = sockets
  server.close()
  if (ended === undefined || kept === undefined) throw new Error('there are not two connections')
  const closed = once(kept, 'close')
  ended.destroy()
  await t.rejects(
    untilRejected(() => loop.run(5)),
    { code: 'ECONNREFUSED' },
  )
  await closed
})

t.test('a reply that does not arrive is an error after the limit', async (t) => {
  let count = 0
  const { origin, opened } = await listen(t, (_, response) => {
    if (++count !== 5) response.end('ok')
  })
  const options = { origin, connections: 2, requests: [{ path: '/' }], replyLimitMs: 2_000 }
  const loop = new KeepAliveLoop(options)
  t.teardown(() => loop.close())
  let [answered, errors] = [0, 0]
  while (count < 5) {
    const slice = await loop.run(50)
    answered += slice.answered
    errors += slice.errors
  }
  t.equal(errors, 1)
  t.ok(answered >= 4)
  t.match(await loop.run(50), { errors: 0 })
  t.equal(opened(), 3, 'the connection is replaced')
})

const REPLIES = {
  'a length': 'HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\nContent-Length: 11\r\n\r\nhello world',
  'a length at another place': 'HTTP/1.1 201 Created\r\ncontent-length: 0\r\nx: y\r\n\r\n',
  chunks: 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n6\r\n world\r\n0\r\n\r\n',
  'an error': 'HTTP/1.1 404 Not Found\r\ncontent-length: 3\r\n\r\nabc',
  'a body longer than its head': `HTTP/1.1 200 OK\r\ncontent-length: 5000\r\n\r\n${'content-length: 7\r\n'.repeat(250)}${'.'.repeat(250)}`,
}

t.test('the end of a reply is found wherever the network splits it', async (t) => {
  for (const size of [1, 2, 3, 7, 40, 100_000]) {
    const reader = new ReplyReader()
    for (const [name, text] of Object.entries(REPLIES)) {
      const bytes = Buffer.from(text)
      let ended = false
      for (let from = 0; from < bytes.length; from += size) {
        t.notOk(ended, `${name} by ${size} did not end early`)
        const part = bytes.subarray(from, from + size)
        // The reader gets a buffer that is larger than what was received, with old bytes behind it.
        ended = reader.read(Buffer.concat([part, Buffer.from('\r\n\r\n')]), part.length)
      }
      t.ok(ended, `${name} by ${size}`)
      t.equal(reader.succeeded, name !== 'an error', `${name} by ${size}`)
    }
  }
})
