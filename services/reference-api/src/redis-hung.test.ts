import { setTimeout as sleep } from 'node:timers/promises'
import { startService, testDatabase, testRedis, until } from '@reference/local-stack'
import t from 'tap'
import { createCall } from './testing/test-api.ts'

const REDIS_TIMEOUT_MS = 50
const CALLERS = 10
const IDS = 200

/** Callers that each request one user after the other, until `stop`. */
function load(call: ReturnType<typeof createCall>) {
  const statuses = new Map<number, number>()
  const latenciesMs: number[] = []
  let running = true
  const callers = Array.from({ length: CALLERS }, async (_, caller) => {
    for (let n = caller; running; n += 7) {
      const began = performance.now()
      const { status } = await call('GET', `/users/${(n % IDS) + 1}`)
      latenciesMs.push(performance.now() - began)
      statuses.set(status, (statuses.get(status) ?? 0) + 1)
    }
  })
  return {
    statuses,
    /** Of the calls since the last `p99Ms`. */
    p99Ms() {
      const sorted = latenciesMs.splice(0).sort((a, b) => a - b)
      return sorted.at(Math.floor(sorted.length * 0.99)) ?? 0
    },
    async stop() {
      running = false
      await Promise.all(callers)
    },
  }
}

t.test('no request fails while Redis hangs under load, and the cache recovers with Redis', async (t) => {
  const [database, redis] = [await testDatabase(t), await testRedis(t, { own: true })]
  const { listening } = startService(t, 'reference-api', {
    DATABASE_URL: database.url,
    REDIS_URL: redis.url,
    REDIS_TIMEOUT_MS: String(REDIS_TIMEOUT_MS),
  })
  const call = createCall(await listening())
  const cached = async () => (await call('GET', '/users/1')).headers['x-cache'] === 'l1'
  await until('the cache is in use', cached)

  const running = load(call)
  await sleep(1000)
  const before = running.p99Ms()
  redis.pause()
  await until('Redis is missed', async () => (await call('GET', '/users/1')).headers['x-cache'] === 'off')
  await sleep(2000)
  const hung = running.p99Ms()
  redis.resume()
  await until('the cache is in use again', cached)
  await running.stop()

  t.same([...running.statuses.keys()], [200])
  t.comment(
    `p99 ${before.toFixed(1)} ms before, ${hung.toFixed(1)} ms while hung (limit ${REDIS_TIMEOUT_MS} ms)`,
  )
})
