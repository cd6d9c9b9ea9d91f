import { Readable } from 'node:stream'
import t from 'tap'
import type { App } from './index.ts'
import { testServer } from './testing/test-server.ts'

function routes(app: App): void {
  app.get('/small', async () => ({ a: 'x'.repeat(900) }))
  app.get('/large', async () => ({ a: 'x'.repeat(1000) }))
  app.get('/huge', async () => ({ a: 'x'.repeat(500_000) }))
  app.get('/done', async (_request, reply) => {
    return reply.header('content-encoding', 'gzip').type('application/json').send(Buffer.alloc(2000, 7))
  })
}

t.test('replies of 1,000 bytes and more are compressed in the accepted encoding', async (t) => {
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

t.test('a reply that is compressed for other clients varies by accept-encoding', async (t) => {
  const { get } = await testServer(t, { compression: true }, (app) => {
    routes(app)
    const large = { a: 'ü'.repeat(700) }
    app.get('/never', { compress: false }, async () => large)
    app.get('/wide', async () => large)
    app.get('/by', async (_request, reply) => reply.header('vary', 'origin').send(large))
    app.get('/binary', async (_request, reply) => reply.type('image/png').send(Buffer.alloc(2000)))
    app.get('/stream', async (_request, reply) => reply.type('text/plain').send(Readable.from(['a', 'b'])))
  })
  const vary = async (path: string, encoding: string) =>
    (await get(path, { 'accept-encoding': encoding })).headers.get('vary')
  for (const encoding of ['identity', 'gzip']) {
    for (const path of ['/large', '/huge', '/wide', '/stream'])
      t.equal(await vary(path, encoding), 'accept-encoding', path)
    t.equal(await vary('/by', encoding), 'origin, accept-encoding')
    for (const path of ['/small', '/never', '/binary', '/done', '/nope'])
      t.equal(await vary(path, encoding), null, path)
  }
})

t.test('a reply with its own content-encoding is sent unchanged', async (t) => {
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
