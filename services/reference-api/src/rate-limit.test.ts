import { hash } from 'node:crypto'
import { delay } from '@reference/async'
import { stopClock } from '@reference/async/testing'
import { loadConfig } from '@reference/config'
import { linkTo, testDatabase, testRedis, until } from '@reference/local-stack'
import { SERVICES } from '@reference/shop/services'
import t from 'tap'
import { createApp } from './app.ts'
import { type Call, createCall } from './testing/test-api.ts'

type Scope = Parameters<typeof testDatabase>[0]

const LIMIT = 60
/** A process exchanges the counts of clients that have used a tenth of their limit. */
const BUSY = LIMIT / 10

/** Two APIs that share only the servers, as processes of their own do. */
async function twoApis(t: Scope, environment: Record<string, string>): Promise<[Call, Call]> {
  const { url } = await testDatabase(t)
  const start = async () => {
    const config = loadConfig(SERVICES['reference-api'], {
      LOG_LEVEL: 'silent',
      WORKER_THREADS: '1',
      DATABASE_URL: url,
      AUTH: 'token',
      AUTH_TOKENS: `writer:${hash('sha256', 'the token')}:write`,
      AUTH_FAILURES_PER_MINUTE: String(LIMIT),
      RATE_LIMIT_RPS: '1000000',
      ...environment,
    })
    const { app, close } = await createApp(config)
    t.teardown(() => app.close().then(close))
    return createCall(await app.listen({ host: '127.0.0.1', port: 0 }))
  }
  return [await start(), await start()]
}

async function guess(call: Call, count: number): Promise<number[]> {
  const headers = { authorization: 'Bearer wrong' }
  const answers = await Promise.all(
    Array.from({ length: count }, () => call('POST', '/users', { body: {}, headers })),
  )
  return answers.map(({ status }) => status)
}

t.test('what a client did in one process counts in the others', async (t) => {
  const redis = await testRedis(t, { own: true })
  const [here, there] = await twoApis(t, { REDIS_URL: redis.url, REDIS_TIMEOUT_MS: '2000' })
  // Both begin again with the minute.
  stopClock(t)
  t.ok((await guess(here, LIMIT + 1)).includes(429))
  await guess(there, BUSY)
  let own = BUSY
  await until('the other process refuses the client', async () => {
    own++
    const [next] = await guess(there, 1)
    if (next !== 429) await delay(300)
    return next === 429
  })
  t.ok(own < LIMIT / 2, 'before it has used up the limit there', { own })
  t.same(new Set(await guess(here, 3)), new Set([429]))
})

t.test('while Redis hangs, requests are counted by each process, and none fails', async (t) => {
  const redis = await testRedis(t, { own: true })
  const link = await linkTo(t, redis.url)
  await link.mend()
  const [here, there] = await twoApis(t, { REDIS_URL: link.url })
  await Promise.all([guess(here, 5), guess(there, 5)])
  link.hang()
  for (const call of [here, there]) {
    const statuses = [...(await guess(call, LIMIT)), ...(await guess(call, LIMIT))]
    t.same(new Set(statuses), new Set([401, 429]), 'no other status')
    t.equal((await call('GET', '/users/1')).status, 200)
  }
})
