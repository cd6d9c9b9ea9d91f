import { createRandom } from '@reference/async/testing'
import { converse, randomConversation, withoutVariables } from '@reference/http/testing'
import { testDatabase, testRedis, until } from '@reference/local-stack'
import { User } from '@reference/shop/users/model'
import t from 'tap'
import { Errors } from 'typebox/value'
import { startApi } from '../testing/test-api.ts'

const database = await testDatabase(t)

t.test('a user is read from the database once, then from tier 1', async (t) => {
  const redis = await testRedis(t, { own: true })
  const { get, sql } = await startApi(t, { REDIS_URL: redis.url }, { database })
  await until('tier 1 is in use', async () => {
    await get('/users/1')
    return (await get('/users/1')).headers['x-cache'] === 'l1'
  })
  const first = await get('/users/2')
  t.equal(first.headers['x-cache'], 'miss')
  t.same(Errors(User, first.body), [])
  const [row] = await sql`select name, email from users where id = 2`
  t.match(first.body, { id: 2, ...row })
  const second = await get('/users/2')
  t.match(String(second.headers['x-cache']), /^l[12]$/)
  t.equal(second.text, first.text)
})

t.test('with both tiers off every read goes to the database', async (t) => {
  const { get } = await startApi(t, { CACHE_L1: 'off', CACHE_L2: 'off' }, { database })
  for (let i = 0; i < 2; i++) {
    t.match(await get('/users/1'), { status: 200, headers: { 'x-cache': 'off' } })
  }
})

t.test('an unknown user is 404, a malformed id is 400 and names the field', async (t) => {
  const { get } = await startApi(t, {}, { database })
  const unknown = await get('/users/2147483647')
  t.match(unknown, { status: 404, headers: { 'content-type': 'application/problem+json' } })
  for (const id of ['0', '-1', '01', '1e3', '1.0', 'x', '2147483648', '%20']) {
    t.match(await get(`/users/${id}`), { status: 400, body: { errors: [{ field: 'id' }] } })
  }
})

t.test('with and without the fast path every reply is the same to the byte', async (t) => {
  const redis = await testRedis(t, { own: true })
  const api = (path: 'on' | 'off') =>
    startApi(t, { REDIS_URL: redis.url, HTTP_FAST_PATH: path }, { database })
  const [fast, plain] = [await api('on'), await api('off')]
  const comparable = (replies: string) =>
    withoutVariables(replies).replaceAll(/^x-cache: (?:l1|l2|miss|off)\r$/gm, '')
  const random = createRandom(1)
  const paths = ['/health', '/users/1', '/users/2', '/users/2000000000']
  for (let number = 0; number < 200; number++) {
    // Not pipelined: how much of it is answered before bytes that are malformed depends on the tier that answers.
    const conversation = {
      ...randomConversation(random, paths, ['HEAD', 'OPTIONS', 'POST']),
      pipelined: false,
    }
    const [found, wanted] = await Promise.all(
      [fast, plain].map(({ origin }) => converse(Number(new URL(origin).port), conversation)),
    )
    t.equal(comparable(found ?? ''), comparable(wanted ?? ''), JSON.stringify(conversation).slice(0, 1000))
  }
  const { text } = await fast.get('/metrics')
  for (const route of ['/health', '/users/:id']) {
    t.match(text, new RegExp(`http_fast_path_requests_total\\{route="${route}"\\} [1-9]`))
  }
})
