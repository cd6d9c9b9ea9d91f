import { hash } from 'node:crypto'
import { Registry } from '@prometheus-io/client'
import { stopClock } from '@reference/async/testing'
import t from 'tap'
import { hotHead } from './index.ts'
import { testServer } from './testing/test-server.ts'

t.test('requests above the limit are 429 problems with retry-after', async (t) => {
  stopClock(t)
  const { get } = await testServer(t, { rateLimitRps: 5 })
  const answers = await Promise.all(Array.from({ length: 30 }, () => get('/users/1')))
  const refused = answers.filter(({ status }) => status === 429)
  t.equal(refused.length, 25)
  const [first] = refused
  t.equal(first?.headers.get('content-type'), 'application/problem+json')
  t.match(first?.headers.get('retry-after'), /^[1-9]\d*$/)
  t.match(await first?.json(), { status: 429, code: 'RATE_LIMITED' })
  for (const path of ['/health', '/ready', '/services']) {
    const calls = await Promise.all(Array.from({ length: 10 }, () => get(path)))
    t.ok(
      calls.every(({ status }) => status === 200),
      `${path} is exempt`,
    )
  }
})

t.test('behind a trusted proxy each client has its own limit', async (t) => {
  stopClock(t)
  const { get } = await testServer(t, { rateLimitRps: 5, trustProxy: '127.0.0.1' })
  const from = (client: number) => get('/users/1', { 'x-forwarded-for': `10.0.0.${client}` })
  const answers = await Promise.all(Array.from({ length: 30 }, (_, index) => from(index)))
  t.ok(answers.every(({ status }) => status === 200))
})

t.test('x-forwarded-for of any other sender is not trusted', async (t) => {
  stopClock(t)
  const { get } = await testServer(t, { rateLimitRps: 5 })
  const from = (client: number) => get('/users/1', { 'x-forwarded-for': `10.0.0.${client}` })
  const answers = await Promise.all(Array.from({ length: 30 }, (_, index) => from(index)))
  t.ok(answers.some(({ status }) => status === 429))
})

t.test('behind one proxy the address is the one that the proxy wrote, not the client', async (t) => {
  stopClock(t)
  const { get, lines } = await testServer(t, { rateLimitRps: 5, trustProxy: 1, requestLog: true })
  const answers = await Promise.all(
    Array.from({ length: 30 }, (_, index) =>
      get('/users/1', { 'x-forwarded-for': `10.0.0.${index}, 192.0.2.7` }),
    ),
  )
  t.ok(answers.some(({ status }) => status === 429))
  const others = await Promise.all(
    Array.from({ length: 30 }, (_, index) =>
      get('/users/1', { 'x-forwarded-for': `192.0.2.7, 10.0.0.${index}` }),
    ),
  )
  t.ok(others.every(({ status }) => status === 200))
  const remotes = lines.filter(({ msg }) => msg === 'request').map(({ remote }) => remote)
  t.ok(remotes.includes('192.0.2.7') && remotes.includes('10.0.0.3'))
})

t.test('an x-forwarded-for that is not an address gets no limit of its own', async (t) => {
  stopClock(t)
  const { get } = await testServer(t, { rateLimitRps: 5, trustProxy: 1 })
  const answers = await Promise.all(
    Array.from({ length: 30 }, (_, index) => get('/users/1', { 'x-forwarded-for': `unknown-${index}` })),
  )
  t.ok(answers.some(({ status }) => status === 429))
})

const authTokens = [{ name: 'writer', sha256: hash('sha256', 'write-token'), scope: 'write' as const }]

t.test('requests that are refused for another reason count too', async (t) => {
  stopClock(t)
  for (const [path, method, status] of [
    ['/rows', 'POST', 401],
    ['/settings', 'POST', 403],
    ['/nope', 'GET', 404],
    ['/rows', 'PUT', 405],
    ['/%ff', 'GET', 400],
  ] as const) {
    const { url } = await testServer(t, { rateLimitRps: 5, auth: 'token', authTokens }, (app) => {
      app.post('/rows', { config: { scope: 'write' } }, async () => ({}))
      app.post('/settings', { config: { scope: 'admin' } }, async () => ({}))
    })
    const headers = path === '/settings' ? { authorization: 'Bearer write-token' } : {}
    const answers = await Promise.all(
      Array.from({ length: 40 }, () => fetch(url + path, { method, headers })),
    )
    const statuses = answers.map((answer) => answer.status)
    t.ok(statuses.includes(status), `${method} ${path}: ${status}`)
    t.equal(statuses.filter((found) => found === 429).length, 35, `${method} ${path}: ${statuses}`)
    t.ok(statuses.every((found) => found === 429 || found === status))
  }
})

t.test('an address that guesses tokens is refused before its tokens are compared', async (t) => {
  stopClock(t)
  const { post } = await testServer(t, { auth: 'token', authTokens, authFailuresPerMinute: 5 }, (app) => {
    app.post('/rows', { config: { scope: 'write' } }, async () => ({}))
    app.post('/open', async () => ({}))
  })
  const tokens = (token: string) => ({ authorization: `Bearer ${token}` })
  for (let n = 0; n < 5; n++) t.equal((await post('/rows', '{}', tokens(`guess-${n}`))).status, 401)
  const refused = await post('/rows', '{}', tokens('guess-6'))
  t.equal(refused.status, 429)
  t.match(refused.headers.get('retry-after'), /^[1-9]\d?$/)
  t.match(await refused.json(), { code: 'TOO_MANY_FAILED_TOKENS' })
  t.equal(
    (await post('/rows', '{}', tokens('write-token'))).status,
    429,
    'the right one shows nothing either',
  )
  t.equal((await post('/open', '{}')).status, 200, 'calls without a token are not affected')
  t.equal((await post('/rows', '{}')).status, 401)
})

t.test('hot routes count, and are refused like the others', async (t) => {
  stopClock(t)
  for (const trustProxy of [false, 1]) {
    const { get, raw } = await testServer(
      t,
      { rateLimitRps: 5, trustProxy, registry: new Registry(), fastPath: true },
      (app) => {
        const head = hotHead({ 'content-type': 'text/plain; charset=utf-8' })
        app.get(
          '/hot',
          { compress: false, config: { hot: () => ({ head, body: 'hot' }) } },
          async () => 'hot',
        )
      },
    )
    const from = (client: number) => get('/hot', { 'x-forwarded-for': `6.6.6.6, 10.0.0.${client}` })
    const answers = await Promise.all(Array.from({ length: 40 }, () => from(1)))
    t.equal(answers.filter(({ status }) => status === 429).length, 35)
    t.equal((await answers.find(({ status }) => status === 200)?.text()) ?? '', 'hot')
    t.ok(
      (await Promise.all([2, 3, 4].map(from))).every(({ status }) => (status === 200) === (trustProxy === 1)),
    )
    const text = await (await get('/metrics')).text()
    t.match(text, /^http_fast_path_requests_total\{route="\/hot"\} [1-9]/m)
    t.ok(raw)
  }
})
