import { createRandom } from '@reference/async/testing'
import { converse, randomConversation, withoutVariables } from '@reference/http/testing'
import { until } from '@reference/local-stack'
import t from 'tap'
import { startApi, type TestApi } from './testing/test-api.ts'

const SEED = Number(process.env.HOT_ROUTES_SEED ?? 1)
const CONVERSATIONS = Number(process.env.HOT_ROUTES_CONVERSATIONS ?? 300)

/** None of them changes a row. */
const METHODS = ['HEAD', 'OPTIONS', 'TRACE']

const PATHS = [
  '/health',
  '/users/1',
  '/users/2',
  '/users/2000000000',
  '/products/3',
  '/orders/5',
  '/config/short',
  '/config/long',
  '/config/absent',
  '/orders?limit=2',
  '/orders?status=paid&limit=100',
  '/orders?limit=100&status=paid',
  '/orders',
  '/users?limit=2',
]

/** The tier that answers depends on when Redis last proved its tracking link. */
const comparable = (replies: string) =>
  withoutVariables(replies).replaceAll(/^x-cache: (?:l1|l2|miss|off)\r$/gm, 'x-cache: …\r')

const portOf = ({ origin }: TestApi) => Number(new URL(origin).port)

/** Requests that a hot route answered, by route. */
async function hotAnswers({ call }: TestApi): Promise<Record<string, number>> {
  const text = (await call('GET', '/metrics')).raw.toString()
  const counts = text.matchAll(/^http_fast_path_requests_total\{route="(.*)"\} (\d+)/gm)
  return Object.fromEntries([...counts].map(([, route, count]) => [route, Number(count)]))
}

t.test('hot routes', async (t) => {
  const settings = { CACHE_PAGE_TTL_MS: '60000' }
  const fast = await startApi(t, { ...settings, HTTP_FAST_PATH: 'on' })
  const plain = await startApi(t, { ...settings, HTTP_FAST_PATH: 'off' }, { on: fast })
  // By both, so that they make request ids of the same length.
  for (const { call } of [fast, plain]) {
    await call('PUT', '/config/short', { body: { value: 'Zoë 😀' } })
    await call('PUT', '/config/long', { body: { value: 'long '.repeat(1000) } })
  }

  t.test('with and without the fast path every reply is the same to the byte', async (t) => {
    const random = createRandom(SEED)
    for (let number = 0; number < CONVERSATIONS; number++) {
      // Not pipelined: how much of it is answered before bytes that are malformed depends on the tier that answers.
      const conversation = { ...randomConversation(random, PATHS, METHODS), pipelined: false }
      const [found, wanted] = await Promise.all([
        converse(portOf(fast), conversation),
        converse(portOf(plain), conversation),
      ])
      if (comparable(found) === comparable(wanted)) continue
      t.equal(comparable(found), comparable(wanted), JSON.stringify({ SEED, number, conversation }))
      break
    }
    const answered = await hotAnswers(fast)
    for (const route of [
      '/health',
      '/users/:id',
      '/products/:id',
      '/orders/:id',
      '/config/:key',
      '/orders',
    ]) {
      t.ok((answered[route] ?? 0) > 0, `${route} was answered by its hot route`)
    }
    t.same(await hotAnswers(plain), {})
  })

  t.test('each encoding of a stored page is answered by the hot route, and equal', async (t) => {
    for (const encoding of ['gzip', 'br', 'zstd', 'identity', 'gzip;q=0.5, br']) {
      const options = { headers: { 'accept-encoding': encoding } }
      const path = '/orders?limit=90'
      const before = (await hotAnswers(fast))['/orders'] ?? 0
      const wanted = await plain.call('GET', path, options)
      t.same((await fast.call('GET', path, options)).raw, wanted.raw)
      const found = await fast.call('GET', path, options)
      t.same(found.raw, wanted.raw, encoding)
      t.equal(found.headers['content-encoding'], wanted.headers['content-encoding'])
      t.equal((await hotAnswers(fast))['/orders'], before + 1)
    }
  })

  t.test('a write is in the next reply of each process', async (t) => {
    const other = await startApi(t, { ...settings, HTTP_FAST_PATH: 'on' }, { on: fast })
    for (const name of ['One', 'Zoë', 'Three']) {
      await until(
        'a tier-1 hit',
        async () => (await other.call('GET', '/users/9')).headers['x-cache'] === 'l1',
      )
      t.equal((await fast.call('PATCH', '/users/9', { body: { name } })).status, 200)
      t.equal((await fast.call('GET', '/users/9')).body.name, name)
      const changed = await until('the other process has it', async () => {
        const { body } = await other.call('GET', '/users/9')
        return body.name === name && body
      })
      t.equal(changed.name, name)
    }
    t.ok(((await hotAnswers(other))['/users/:id'] ?? 0) > 0)
  })

  t.test('cache hits are counted alike', async (t) => {
    const hits = async ({ call }: TestApi) =>
      Number(
        /^cache_hits_total\{namespace="user",tier="l1"\} (\d+)/m.exec(
          (await call('GET', '/metrics')).raw.toString(),
        )?.[1],
      )
    for (const api of [fast, plain]) {
      await until('a tier-1 hit', async () => (await api.call('GET', '/users/3')).headers['x-cache'] === 'l1')
      const before = await hits(api)
      let answeredFromTier1 = 0
      for (let sent = 0; sent < 20; sent++) {
        if ((await api.call('GET', '/users/3')).headers['x-cache'] === 'l1') answeredFromTier1++
      }
      t.equal((await hits(api)) - before, answeredFromTier1)
    }
  })
})
