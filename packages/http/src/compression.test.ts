import t from 'tap'
import type { App } from './index.ts'
import { testServer } from './test-server.ts'

function routes(app: App): void {
  app.get('/small', async () => ({ a: 'x'.repeat(900) }))
  app.get('/large', async () => ({ a: 'x'.repeat(1000) }))
  app.get('/huge', async () => ({ a: 'x'.repeat(500_000) }))
  app.get('/done', async (_request, reply) => {
    return reply.header('content-encoding', 'gzip').type('application/json').send(Buffer.alloc(2000, 7))
  })
}

t.test('replies from 1,000 bytes are compressed in the encoding asked for', async (t) => {
  const { get } = await testServer(t, { compression: true }, routes)
  for (const path of ['/large', '/huge']) {
    for (const encoding of ['gzip', 'br', 'zstd']) {
      const response = await get(path, { 'accept-encoding': encoding })
      t.equal(response.headers.get('content-encoding'), encoding, `${path} ${encoding}`)
      t.match(response.headers.get('vary'), /accept-encoding/)
      t.match(((await response.json()) as { a: string }).a, /^x+$/)
    }
    t.equal((await get(path, { 'accept-encoding': 'identity' })).headers.get('content-encoding'), null)
  }
  t.equal((await get('/small', { 'accept-encoding': 'gzip' })).headers.get('content-encoding'), null)
})

t.test('a reply that is encoded already is left as it is', async (t) => {
  const { raw } = await testServer(t, { compression: true }, routes)
  const answer = await raw(
    'GET /done HTTP/1.1\r\nhost: x\r\naccept-encoding: gzip\r\nconnection: close\r\n\r\n',
  )
  t.match(answer, /content-encoding: gzip\r\n/)
  t.match(answer, /content-length: 2000\r\n/)
})

t.test('compression can be switched off', async (t) => {
  const { get } = await testServer(t, { compression: false }, routes)
  t.equal((await get('/huge', { 'accept-encoding': 'gzip, br' })).headers.get('content-encoding'), null)
})
