import t from 'tap'
import { testServer } from './testing/test-server.ts'

t.test('requests above the limit are 429 problems with retry-after', async (t) => {
  const { get } = await testServer(t, { rateLimitRps: 5 })
  const answers = await Promise.all(Array.from({ length: 30 }, () => get('/users/1')))
  const refused = answers.filter(({ status }) => status === 429)
  t.ok(refused.length >= 20 && refused.length < 30, `${refused.length} of 30`)
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
  const { get } = await testServer(t, { rateLimitRps: 5, trustProxy: '127.0.0.1' })
  const from = (client: number) => get('/users/1', { 'x-forwarded-for': `10.0.0.${client}` })
  const answers = await Promise.all(Array.from({ length: 30 }, (_, index) => from(index)))
  t.ok(answers.every(({ status }) => status === 200))
})

t.test('x-forwarded-for of any other sender is not trusted', async (t) => {
  const { get } = await testServer(t, { rateLimitRps: 5 })
  const from = (client: number) => get('/users/1', { 'x-forwarded-for': `10.0.0.${client}` })
  const answers = await Promise.all(Array.from({ length: 30 }, (_, index) => from(index)))
  t.ok(answers.some(({ status }) => status === 429))
})

t.test('behind one proxy the address is the one that the proxy wrote, not the client', async (t) => {
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
  const { get } = await testServer(t, { rateLimitRps: 5, trustProxy: 1 })
  const answers = await Promise.all(
    Array.from({ length: 30 }, (_, index) => get('/users/1', { 'x-forwarded-for': `unknown-${index}` })),
  )
  t.ok(answers.some(({ status }) => status === 429))
})
