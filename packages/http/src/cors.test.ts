import { Registry } from '@prometheus-io/client'
import { stopClock } from '@reference/async/testing'
import t from 'tap'
import { hotHead, hotRow, IdParams, sendCached } from './index.ts'
import { testServer } from './testing/test-server.ts'
import type { App } from './types.ts'

const ORIGIN = 'https://shop.example'
const ROW = { bytes: Buffer.from('{"id":1}'), from: 'l1' }
const rows = { getSync: () => ROW, get: async () => ROW, getText: () => '{"id":1}' }

function routes(app: App): void {
  app.get('/rows/:id', { config: hotRow(rows), schema: { params: IdParams } }, (request, reply) =>
    sendCached(reply, rows, request.params.id, () => new Error('missing')),
  )
  app.patch('/rows/:id', { config: { scope: 'write' }, schema: { params: IdParams } }, async () => ({}))
  app.get('/long', async () => ({ text: 'long '.repeat(1000) }))
  app.get('/fails', async () => {
    throw new Error('fails')
  })
  const head = hotHead({ vary: 'accept-encoding', 'content-type': 'text/plain; charset=utf-8' })
  app.get(
    '/page',
    { compress: false, config: { hot: ({ rest }) => (rest === '' ? { head, body: 'page' } : undefined) } },
    (_request, reply) => {
      reply.headers({ vary: 'accept-encoding', 'content-type': 'text/plain; charset=utf-8' }).send('page')
    },
  )
}

const start = (t: Parameters<typeof testServer>[0], options: object = {}) =>
  testServer(t, { corsOrigins: [ORIGIN, 'http://localhost:5173'], auth: 'token', ...options }, routes)

t.test('replies to a listed origin may be read by its scripts, errors and refusals too', async (t) => {
  stopClock(t)
  const { get, post } = await start(t)
  for (const path of ['/rows/1', '/rows/x', '/nope', '/fails', '/long', '/page', '/health']) {
    const { headers } = await get(path, { origin: ORIGIN })
    t.equal(headers.get('access-control-allow-origin'), ORIGIN, path)
    t.match(headers.get('access-control-expose-headers'), /etag.*x-request-id/, path)
    t.match(headers.get('vary'), /\borigin\b/, path)
    t.equal(headers.get('access-control-allow-credentials'), null, 'no cookies')
  }
  t.equal(
    (await get('/rows/1', { origin: 'http://localhost:5173' })).headers.get('access-control-allow-origin'),
    'http://localhost:5173',
  )
  const refused = await post('/rows/1', '{}', { origin: ORIGIN })
  t.equal(refused.status, 405)
  t.equal(refused.headers.get('access-control-allow-origin'), ORIGIN)

  const limited = await start(t, { rateLimitRps: 1 })
  const answers = await Promise.all(
    Array.from({ length: 20 }, () => limited.get('/rows/1', { origin: ORIGIN })),
  )
  const tooMany = answers.filter(({ status }) => status === 429)
  t.equal(tooMany.length, 19)
  for (const { headers } of tooMany) t.equal(headers.get('access-control-allow-origin'), ORIGIN)
})

t.test('another origin gets no permission, and every reply varies by origin', async (t) => {
  const { get } = await start(t)
  const others = [
    undefined,
    'https://evil.example',
    'https://shop.example.evil',
    'http://shop.example',
    'null',
    'https://SHOP.example',
  ]
  for (const origin of others) {
    for (const path of ['/rows/1', '/page', '/long', '/nope', '/health']) {
      const { headers } = await get(path, origin === undefined ? {} : { origin })
      t.equal(headers.get('access-control-allow-origin'), null, `${path} ${origin}`)
      t.match(headers.get('vary'), /\borigin\b/, `${path} ${origin}`)
    }
  }
  t.equal((await get('/page')).headers.get('vary'), 'origin, accept-encoding')
  t.equal((await get('/long')).headers.get('vary'), 'origin, accept-encoding')
  t.equal((await get('/long')).headers.get('content-encoding') !== null, true)
})

const preflight = (url: string, path: string, headers: Record<string, string>) =>
  fetch(url + path, { method: 'OPTIONS', headers: { 'access-control-request-method': 'PATCH', ...headers } })

t.test('a preflight of a listed origin is answered without a token', async (t) => {
  const { url } = await start(t)
  const answer = await preflight(url, '/rows/1', {
    origin: ORIGIN,
    'access-control-request-headers': 'authorization,content-type',
  })
  t.equal(answer.status, 204)
  t.equal(await answer.text(), '')
  t.equal(answer.headers.get('access-control-allow-origin'), ORIGIN)
  t.equal(answer.headers.get('access-control-allow-methods'), 'GET, HEAD, PATCH')
  t.match(answer.headers.get('access-control-allow-headers'), /authorization, content-type, idempotency-key/)
  t.equal(answer.headers.get('access-control-max-age'), '600')
  t.equal(answer.headers.get('vary'), 'origin')
})

t.test('any other OPTIONS request is refused as before', async (t) => {
  const { url } = await start(t)
  const evil = await preflight(url, '/rows/1', { origin: 'https://evil.example' })
  t.equal(evil.status, 405)
  t.equal(evil.headers.get('access-control-allow-origin'), null)
  t.equal(evil.headers.get('access-control-allow-methods'), null)
  t.equal((await preflight(url, '/nope', { origin: ORIGIN })).status, 404)
  t.equal((await fetch(`${url}/rows/1`, { method: 'OPTIONS', headers: { origin: ORIGIN } })).status, 405)
})

t.test('a preflight counts for the rate limit', async (t) => {
  stopClock(t)
  const { url } = await start(t, { rateLimitRps: 3 })
  const answers = await Promise.all(
    Array.from({ length: 30 }, () => preflight(url, '/rows/1', { origin: ORIGIN })),
  )
  const limited = answers.filter(({ status }) => status === 429)
  t.equal(limited.length, 27)
  for (const { headers } of limited) t.equal(headers.get('access-control-allow-origin'), ORIGIN)
})

t.test('without origins there is neither a header nor an answer', async (t) => {
  const { get, url } = await testServer(t, { auth: 'token' }, routes)
  const { headers } = await get('/rows/1', { origin: ORIGIN })
  t.equal(headers.get('access-control-allow-origin'), null)
  t.equal(headers.get('vary'), null)
  t.equal((await preflight(url, '/rows/1', { origin: ORIGIN })).status, 405)
})

t.test('requests of browsers are left to Fastify, all others to hot routes', async (t) => {
  const { get } = await start(t, { registry: new Registry(), fastPath: true })
  const hot = async () =>
    Number(
      /fast_path_requests_total\{route="\/rows\/:id"\} (\d+)/.exec(await (await get('/metrics')).text())?.[1],
    )
  await get('/rows/1', { origin: ORIGIN })
  t.equal(await hot(), 0)
  await get('/rows/1')
  t.equal(await hot(), 1)
})
