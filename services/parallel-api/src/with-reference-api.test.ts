import { startService, testDatabase, testRedis, until } from '@reference/local-stack'
import t from 'tap'
import { createGet } from './testing/get.ts'
import { joinedNames, namesIn } from './testing/joined-names.ts'
import { type Scope, startApi } from './testing/test-api.ts'

/** Both services on one database and one Redis; the reference-api as a process of its own. */
async function startBoth(t: Scope) {
  const database = await testDatabase(t)
  const redis = await testRedis(t, { own: true })
  // On a busy machine a call takes longer than the usual 50 ms, and the read would go past the cache.
  const environment = { REDIS_URL: redis.url, REDIS_TIMEOUT_MS: '2000' }
  const service = startService(t, 'reference-api', { ...environment, DATABASE_URL: database.url })
  const origin = await service.listening()
  const api = await startApi(t, { ...environment, UPSTREAM_URL: origin }, { database })
  const reference = { origin, get: createGet(origin) }
  for (const get of [api.get, reference.get]) {
    const tier2InUse = async () => (await get('/users/1')).headers['x-cache'] !== 'off'
    await until('tier 2 is in use', tier2InUse)
  }
  return { ...api, reference }
}

t.test('both services together', async (t) => {
  const { get, sql, reference } = await startBoth(t)

  await t.test('each service reads entries that the other has cached', async (t) => {
    for (const [id, first, second] of [
      [11, reference.get, get],
      [12, get, reference.get],
    ] as const) {
      const filled = await first(`/users/${id}`)
      t.equal(filled.headers['x-cache'], 'miss')
      const { headers, text } = await second(`/users/${id}`)
      t.equal(headers['x-cache'], 'l2')
      t.equal(text, filled.text)
    }
  })

  await t.test('a change by the reference-api is visible in the next read here', async (t) => {
    for (const name of ['Grace', 'Edsger', 'Barbara']) {
      await get('/users/13')
      const changed = await fetch(`${reference.origin}/users/13`, {
        method: 'PATCH',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify({ name }),
      })
      t.equal(changed.status, 200)
      t.equal((await get('/users/13')).body.name, name)
    }
  })

  await t.test('joins its orders with its users and products', async (t) => {
    const { status, body } = await get('/aggregate?limit=100')
    t.equal(status, 200)
    t.same(namesIn(body), await joinedNames(sql, 100))
  })
})
