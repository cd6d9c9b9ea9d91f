import t from 'tap'
import { hotRow, IdParams, sendCached } from './index.ts'
import { testServer } from './testing/test-server.ts'
import type { App } from './types.ts'

const ROW = { bytes: Buffer.from('{"id":1}'), from: 'l1' }
const rows = {
  getSync: () => ROW,
  get: async () => ROW,
  getText: () => '{"id":1}',
}

function routes(app: App): void {
  app.get('/rows/:id', { config: hotRow(rows), schema: { params: IdParams } }, (request, reply) =>
    sendCached(reply, rows, request.params.id, () => new Error('missing')),
  )
  app.get('/fails', async () => {
    throw new Error('fails')
  })
  app.post('/writes', { config: { scope: 'write' } }, async () => ({}))
}

const PATHS = [
  '/rows/1',
  '/rows/x',
  '/health',
  '/ready',
  '/openapi.json',
  '/nope',
  '/fails',
  '/%ff',
  '/docs/static/docs.js',
]

t.test('every reply says that it is data: hot, from a handler, or an error', async (t) => {
  const { get, post } = await testServer(t, { auth: 'token', rateLimitRps: 1000 }, routes)
  for (const response of [
    ...(await Promise.all(PATHS.map((path) => get(path)))),
    await post('/writes', '{}'),
  ]) {
    const { headers, url } = response
    t.equal(headers.get('x-content-type-options'), 'nosniff', url)
    t.equal(headers.get('content-security-policy'), "default-src 'none'; frame-ancestors 'none'", url)
    t.equal(headers.get('strict-transport-security'), null, url)
  }
})

t.test('the page of the documentation has a policy of its own, once', async (t) => {
  const { get } = await testServer(t, {}, routes)
  for (const path of ['/docs', '/docs/']) {
    const { headers } = await get(path)
    t.match(headers.get('content-security-policy'), /^default-src 'self';.*frame-ancestors 'self'/)
    t.notMatch(headers.get('content-security-policy'), "'none', ")
    t.equal(headers.get('x-content-type-options'), 'nosniff')
    t.equal(headers.get('referrer-policy'), 'no-referrer')
  }
})

t.test(
  'hstsSeconds adds strict-transport-security, and securityHeaders: false leaves all of them out',
  async (t) => {
    const strict = await testServer(t, { hstsSeconds: 31_536_000 }, routes)
    for (const path of PATHS)
      t.equal((await strict.get(path)).headers.get('strict-transport-security'), 'max-age=31536000', path)
    const plain = await testServer(t, { securityHeaders: false, hstsSeconds: 1 }, routes)
    for (const path of PATHS) {
      const { headers } = await plain.get(path)
      for (const name of ['x-content-type-options', 'strict-transport-security'])
        t.equal(headers.get(name), null, `${path}: ${name}`)
    }
    t.ok((await plain.get('/docs')).headers.get('content-security-policy'))
  },
)
