import { once } from 'node:events'
import { type AddressInfo, createServer } from 'node:net'
import t from 'tap'
import { createUpstream } from './upstream.ts'

// An error that no promise receives fails the file: tap reports it as an uncaught exception.

const OK = 'HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n'
const { signal } = new AbortController()

/** What a peer sends to each request, before it ends the connection. */
const ANSWERS: Readonly<Record<string, string | Buffer>> = {
  nothing: '',
  'random bytes': Buffer.from('f3a1c09b7e55d2011c9f00ff', 'hex'),
  'another protocol': '-ERR unknown command\r\n',
  'a status that is no number': 'HTTP/1.1 OK\r\n\r\n',
  'a status line without an end': 'HTTP/1.1 200',
  'a header without a colon': 'HTTP/1.1 200 OK\r\nnonsense\r\n\r\n',
  'a header with a control character': 'HTTP/1.1 200 OK\r\nx: \x01\r\ncontent-length: 2\r\n\r\n{}x',
  'headers of 1 MB': `HTTP/1.1 200 OK\r\nx: ${'x'.repeat(1_000_000)}\r\n\r\n`,
  'two lengths': `${OK}content-length: 2\r\ncontent-length: 3\r\n\r\n{}`,
  'a negative length': `${OK}content-length: -1\r\n\r\n{}`,
  'a length beyond the body': `${OK}content-length: 200\r\n\r\n{}`,
  'a chunk without a length': `${OK}transfer-encoding: chunked\r\n\r\nzz\r\n`,
  'a chunk that is cut': `${OK}transfer-encoding: chunked\r\n\r\nff\r\n{}`,
  'a switch of the protocol':
    'HTTP/1.1 101 Switching Protocols\r\nupgrade: x\r\nconnection: upgrade\r\n\r\nabc',
  'informational replies only': 'HTTP/1.1 100 Continue\r\n\r\n'.repeat(50),
  'two replies to one request': `${OK}content-length: 1\r\n\r\nx${OK}content-length: 2\r\n\r\n{}`,
  'a body that is no JSON': `${OK}content-length: 3\r\n\r\n{]}`,
  'a body in an unknown encoding': `${OK}content-encoding: br\r\ncontent-length: 3\r\n\r\nabc`,
  'a redirect to nowhere': 'HTTP/1.1 302 Found\r\nlocation: //\r\ncontent-length: 0\r\n\r\n',
}

t.test('whatever an upstream sends, each call gets an UpstreamError and the next call is made', async (t) => {
  for (const [name, answer] of Object.entries(ANSWERS)) {
    const server = createServer((socket) => {
      socket.on('error', () => {})
      socket.on('data', () => socket.end(answer))
    }).listen(0, '127.0.0.1')
    await once(server, 'listening')
    const { port } = server.address() as AddressInfo
    const upstream = createUpstream({ name: 'hostile', url: `http://127.0.0.1:${port}` })
    const outcomes = await Promise.allSettled([1, 2, 3].map((id) => upstream.get(`/users/${id}`, { signal })))
    for (const outcome of outcomes) {
      t.equal(outcome.status, 'rejected', name)
      if (outcome.status === 'rejected')
        t.match(outcome.reason, { code: /^UPSTREAM_/, statusCode: /50[234]/ }, name)
    }
    await upstream.close()
    server.close()
  }
})
