import { subscribe, unsubscribe } from 'node:diagnostics_channel'
import { once } from 'node:events'
import { connect } from 'node:net'
import { Registry } from '@prometheus-io/client'
import { until } from '@reference/async'
import { createRandom } from '@reference/async/testing'
import t from 'tap'
import { Type } from 'typebox'
import type { CachedReplies } from './cached-reply.ts'
import type { CachedReply } from './hot-reply.ts'
import { hotHead, hotKey, hotRow, IdParams, type ServerOptions, sendCached, shortReply } from './index.ts'
import { converse, randomConversation, withoutVariables } from './testing/raw-requests.ts'
import { type Teardown, type TestServer, testServer } from './testing/test-server.ts'
import type { HotTrace, TracedRequest } from './tracing.ts'
import type { App } from './types.ts'

/** Seed of the fuzzed requests; a failure prints the conversation. */
const SEED = Number(process.env.HOT_ROUTES_SEED ?? 1)
const CONVERSATIONS = Number(process.env.HOT_ROUTES_CONVERSATIONS ?? 1500)

/** Rows in memory, as tier 1 holds them; odd ids are hits, and ids that end with 7 do not exist. */
class Rows implements CachedReplies<number | string> {
  hits = 0
  readonly #changed = new Map<number | string, string>()

  set(key: number | string, json: string): void {
    this.#changed.set(key, json)
  }

  getSync(key: number | string): CachedReply | undefined {
    const bytes = this.#bytes(key)
    if (bytes === null) return undefined
    this.hits++
    return { bytes, from: 'l1' }
  }

  async get(key: number | string): Promise<CachedReply> {
    await undefined
    const hit = this.getSync(key)
    if (hit !== undefined) return hit
    if (key === 4) throw Object.assign(new Error('There is no database'), { statusCode: 503 })
    return { bytes: Buffer.from(JSON.stringify({ key })), from: 'miss' }
  }

  getText(key: number | string, maxBytes = Number.POSITIVE_INFINITY): string | undefined {
    const bytes = this.#bytes(key)
    if (!bytes || bytes.length > maxBytes) return undefined
    this.hits++
    return bytes.toString('latin1')
  }

  /** Null for a miss, undefined for a row that is known not to exist. */
  #bytes(key: number | string): Buffer | undefined | null {
    const changed = this.#changed.get(key)
    if (changed !== undefined) return Buffer.from(changed)
    const number = Number(key)
    if (number % 10 === 7) return undefined
    if (number % 2 === 0) return null
    return Buffer.from(JSON.stringify({ key, name: 'Zoë 😀' }))
  }
}

const KEY = /^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$/
const PAGE = hotHead({
  'x-cache': 'l1',
  vary: 'accept-encoding',
  'content-type': 'text/plain; charset=utf-8',
})
const noSuchRow = () => Object.assign(new Error('There is no such row'), { statusCode: 404 })

/** One route of each kind: a row by id, a text key that may be compressed, a query and an encoding. */
function hotExamples(app: App, rows: Rows): void {
  app.get(
    '/rows/:id',
    { ...shortReply, config: hotRow(rows), schema: { params: IdParams } },
    (request, reply) => sendCached(reply, rows, request.params.id, noSuchRow),
  )
  const params = Type.Object({ key: Type.String({ pattern: KEY.source }) })
  app.get('/texts/:key', { config: hotKey(rows, KEY), schema: { params } }, (request, reply) =>
    sendCached(reply, rows, request.params.key, noSuchRow),
  )
  const querystring = Type.Object({ limit: Type.Optional(Type.Integer()) }, { additionalProperties: false })
  app.get(
    '/pages',
    {
      compress: false,
      schema: { querystring },
      config: {
        hot: ({ rest, acceptEncoding }) =>
          rest === '?limit=5' ? { head: PAGE, body: `5 rows, ${acceptEncoding}` } : undefined,
      },
    },
    (request, reply) =>
      reply
        .headers({ 'x-cache': 'l1', vary: 'accept-encoding', 'content-type': 'text/plain; charset=utf-8' })
        .send(`${request.query.limit} rows, ${request.headers['accept-encoding']}`),
  )
  app.get('/plain', async () => ({ hot: false }))
}

const PATHS = [
  '/health',
  '/rows/1',
  '/rows/35',
  '/rows/2',
  '/rows/4',
  '/rows/17',
  '/rows/2147483647',
  '/texts/a.b-c',
  '/texts/long',
  '/texts/13',
  '/pages?limit=5',
  '/pages?limit=6',
  '/pages',
  '/plain',
]

interface Server extends TestServer {
  readonly rows: Rows
  /** Requests that a hot route answered, from the metrics. */
  hotAnswers(): Promise<number>
}

async function start(
  t: Teardown,
  options: Partial<ServerOptions> = {},
  more?: (app: App) => void,
): Promise<Server> {
  const rows = new Rows()
  rows.set('a.b-c', '{"text":"short"}')
  rows.set('long', JSON.stringify('long '.repeat(400)))
  const server = await testServer(t, { registry: new Registry(), fastPath: true, ...options }, (app) => {
    hotExamples(app, rows)
    more?.(app)
  })
  const hotAnswers = async () => {
    const text = await (await server.get('/metrics')).text()
    return [...text.matchAll(/^http_fast_path_requests_total\{.*\} (\d+)/gm)].reduce(
      (sum, [, n]) => sum + Number(n),
      0,
    )
  }
  return { ...server, rows, hotAnswers }
}

const plainGet = (path: string, ...lines: string[]) =>
  [`GET ${path} HTTP/1.1`, 'Host: test', ...lines, '', ''].join('\r\n')

/** How often each route was answered with each status, from the metrics. */
async function counts({ get }: TestServer): Promise<string[]> {
  const text = await (await get('/metrics')).text()
  return [...text.matchAll(/^http_request_duration_seconds_count\{.*/gm)].map(([line]) => line).sort()
}

t.test('with and without the fast path every reply is the same to the byte', async (t) => {
  const [fast, plain] = [await start(t), await start(t, { fastPath: false })]
  const random = createRandom(SEED)
  for (let number = 0; number < CONVERSATIONS; number++) {
    const conversation = randomConversation(random, PATHS)
    const [found, wanted] = await Promise.all([
      converse(fast.port, conversation),
      converse(plain.port, conversation),
    ])
    if (withoutVariables(found) === withoutVariables(wanted)) continue
    t.equal(withoutVariables(found), withoutVariables(wanted), JSON.stringify({ SEED, number, conversation }))
    break
  }
  t.same(await counts(fast), await counts(plain), 'both count each request under the same labels')
  t.equal(fast.rows.hits, plain.rows.hits, 'both count the same hits')
  t.ok((await fast.hotAnswers()) > CONVERSATIONS / 10, 'hot routes answered')
  t.equal(await plain.hotAnswers(), 0)
  await until('no request is in flight', () => fast.app.lifecycle.inFlight.size === 0)
})

t.test('each option of the server leaves the replies equal', async (t) => {
  const variants: Partial<ServerOptions>[] = [
    { compression: false },
    { rateLimitRps: 1_000_000 },
    { requestLog: true },
    { auth: 'token', authTokens: [] },
    { responseSchemas: false },
    { internalPort: 0 },
    { securityHeaders: false },
    { hstsSeconds: 1 },
    { corsOrigins: ['https://shop.example'] },
  ]
  for (const options of variants) {
    const [fast, plain] = [await start(t, options), await start(t, { ...options, fastPath: false })]
    for (const path of PATHS) {
      const conversation = {
        requests: [
          plainGet(path),
          plainGet(path, 'Accept-Encoding: gzip'),
          plainGet(path, 'Origin: https://shop.example'),
        ],
        pipelined: false,
      }
      const [found, wanted] = await Promise.all([
        converse(fast.port, conversation),
        converse(plain.port, conversation),
      ])
      // A rate limit has a header that counts down.
      t.equal(withoutVariables(found), withoutVariables(wanted), `${path} with ${JSON.stringify(options)}`)
    }
  }
})

t.test('a write between two requests is seen', async (t) => {
  const { rows, get, hotAnswers } = await start(t)
  for (let value = 0; value < 5; value++) {
    rows.set(1, JSON.stringify({ value }))
    t.same(await (await get('/rows/1')).json(), { value })
  }
  t.equal(await hotAnswers(), 5)
})

t.test('a hook, a token or a fixed path keeps a route with Fastify', async (t) => {
  const deny = async () => {
    throw Object.assign(new Error('Denied'), { statusCode: 403 })
  }
  await t.test('a hook of the service', async (t) => {
    const { get, hotAnswers } = await start(t, {}, (app) => void app.addHook('onRequest', deny))
    t.equal((await get('/rows/1')).status, 403)
    t.equal((await get('/health')).status, 403, 'hooks apply to all routes')
    t.equal(await hotAnswers(), 0)
  })
  await t.test('a hook of a plugin', async (t) => {
    const { get, rows } = await start(t, {}, (app) => {
      app.register(async (scope) => {
        scope.addHook('preHandler', deny)
        scope.get('/inner/:id', { config: hotRow(new Rows()), schema: { params: IdParams } }, async () => 'x')
      })
    })
    t.equal((await get('/inner/1')).status, 403)
    t.equal((await get('/rows/1')).status, 200)
    t.equal(rows.hits, 1)
  })
  await t.test('a hook of the route', async (t) => {
    const { get } = await start(t, {}, (app) => {
      app.get(
        '/own/:id',
        { onRequest: deny, config: hotRow(new Rows()), schema: { params: IdParams } },
        async () => 1,
      )
    })
    t.equal((await get('/own/1')).status, 403)
  })
  await t.test('a scope', async (t) => {
    const { get } = await start(t, { auth: 'token' }, (app) => {
      const config = { scope: 'write' as const, ...hotRow(new Rows()) }
      app.get('/own/:id', { config, schema: { params: IdParams } }, async () => 1)
    })
    t.equal((await get('/own/1')).status, 401)
  })
  await t.test('a fixed path that the router prefers', async (t) => {
    const { get, rows } = await start(t, {}, (app) => void app.get('/texts/13', async () => 'fixed'))
    t.equal(await (await get('/texts/13')).text(), 'fixed')
    t.equal(rows.hits, 0)
  })
})

t.test('a tracer gets the requests whose trace it keeps, and hot routes answer the others', async (t) => {
  const { port, hotAnswers } = await start(t)
  const traced: (string | undefined)[] = []
  const listenTo = <Message>(channel: string, listener: (message: Message) => void) => {
    const onMessage = (message: unknown) => listener(message as Message)
    subscribe(channel, onMessage)
    t.teardown(() => unsubscribe(channel, onMessage))
  }
  const ask = (path: string, ...lines: string[]) =>
    converse(port, { requests: [plainGet(path, ...lines)], pipelined: false })
  listenTo<TracedRequest>('reference:http.request', ({ request: { raw } }) => {
    if (raw.url !== '/metrics' && raw.url !== '/the-last-request') traced.push(raw.url)
  })
  await ask('/rows/1')
  t.same(traced, ['/rows/1'], 'a tracer that is not asked gets all requests')
  await ask('/health')
  t.equal(await hotAnswers(), 1, 'but for probes')
  const asked: unknown[] = []
  listenTo<HotTrace>('reference:http.hot', (hot) => {
    asked.push([hot.request.url, hot.traceparent])
    hot.isKept = hot.traceparent?.endsWith('-01') === true
  })
  const before = traced.length
  await ask('/rows/3')
  await ask('/rows/5', 'traceparent: 00-1-1-00')
  await ask('/rows/9', 'traceparent: 00-1-1-01')
  await ask('/rows/11', 'traceparent: 00-1-1-00', 'traceparent: 00-1-1-01')
  await ask('/plain')
  t.same(asked, [
    ['/rows/3', undefined],
    ['/rows/5', '00-1-1-00'],
    ['/rows/9', '00-1-1-01'],
  ])
  t.same(traced.slice(before), ['/rows/9', '/rows/11', '/plain'])
  t.equal(await hotAnswers(), 3)
})

t.test('while requests are held back or replies are the last, Fastify answers', async (t) => {
  const { app, get, hotAnswers } = await start(t)
  t.equal((await get('/rows/1')).headers.get('connection'), 'keep-alive')
  app.lifecycle.setLastReplies(true)
  t.equal((await get('/rows/1')).headers.get('connection'), 'close')
  app.lifecycle.setLastReplies(false)
  const release = app.lifecycle.hold()
  let answered = false
  const held = get('/rows/1').then(() => {
    answered = true
  })
  await until('the request is held', () => app.lifecycle.held?.length === 1)
  t.notOk(answered)
  release()
  await held
  t.equal(await hotAnswers(), 1)
  app.lifecycle.drain()
  t.equal((await get('/rows/1')).status, 200)
  t.equal(await hotAnswers(), 1)
})

t.test('a client that does not read is in flight, then aborted, and holds bounded memory', async (t) => {
  const big = JSON.stringify('x'.repeat(400_000))
  for (const fastPath of [true, false]) {
    const server = await start(t, { fastPath })
    server.rows.set(1, big)
    const client = connect(server.port, '127.0.0.1')
    client.on('error', () => {})
    await once(client, 'connect')
    client.pause()
    // More replies than the buffers of the kernel hold, and no more requests than a connection may have.
    client.write(plainGet('/rows/1').repeat(90))
    await until('the reply is in flight', () => server.app.lifecycle.inFlight.size > 0)
    const before = process.memoryUsage().arrayBuffers
    t.ok(before < 200_000_000, `${before} bytes of buffers with the fast path ${fastPath ? 'on' : 'off'}`)
    client.destroy()
    await until('nothing is in flight', () => server.app.lifecycle.inFlight.size === 0)
    const lines = await counts(server)
    t.ok(
      lines.some((line) => line.includes('status="499"')),
      'the aborted replies are counted as such',
    )
  }
})
