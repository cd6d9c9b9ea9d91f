import { loadConfig } from '@reference/config'
import { linkTo, testDatabase, testRedis, until } from '@reference/local-stack'
import { migrate, seed } from '@reference/shop'
import { SERVICES } from '@reference/shop/services'
import { Redis } from 'ioredis'
import postgres from 'postgres'
import t from 'tap'
import { createApp } from './app.ts'
import { type Call, createCall } from './testing/test-api.ts'

type Scope = Parameters<typeof testDatabase>[0]

async function openApi(environment: Record<string, string>): Promise<{ call: Call; close(): Promise<void> }> {
  const { app, close } = await createApp(
    loadConfig(SERVICES['reference-api'], {
      LOG_LEVEL: 'silent',
      WORKER_THREADS: '1',
      // On a busy machine a call takes longer than the usual 50 ms, and the read would go past the cache.
      REDIS_TIMEOUT_MS: '2000',
      ...environment,
    }),
  )
  const call = createCall(await app.listen({ host: '127.0.0.1', port: 0 }))
  let closing: Promise<void> | undefined
  return {
    call,
    close() {
      closing ??= app.close().then(close)
      return closing
    },
  }
}

async function startApi(t: Scope, environment: Record<string, string>): Promise<Call> {
  const { call, close } = await openApi(environment)
  t.teardown(close)
  return call
}

async function keptRedis(t: Scope) {
  const redis = await testRedis(t, { own: true })
  const admin = new Redis(redis.url)
  t.teardown(() => admin.disconnect())
  return { redisUrl: redis.url, keys: async () => (await admin.keys('*')).sort() }
}

function superuser(t: Scope, url: string): postgres.Sql {
  const sql = postgres(url, { max: 1, onnotice: () => {} })
  t.teardown(() => sql.end())
  return sql
}

const nameOf = async (call: Call) => (await call('GET', '/users/7')).body.name

async function untilCached(call: Call, tier = 'l1'): Promise<void> {
  await until(`the user is answered from ${tier}`, async () => {
    return (await call('GET', '/users/7')).headers['x-cache'] === tier
  })
}

const prefixesOf = (keys: string[]) => [...new Set(keys.map((key) => key.replace(/:[cl]:.*/, '')))]

t.test(
  'two databases on one Redis never answer with each other’s rows, and every key names its database',
  async (t) => {
    const { redisUrl, keys } = await keptRedis(t)
    const [one, two] = [await testDatabase(t), await testDatabase(t)]
    await superuser(t, two.superuserUrl)`update users set name = 'Of the second' where id = 7`
    const [a, b] = [
      await startApi(t, { DATABASE_URL: one.url, REDIS_URL: redisUrl }),
      await startApi(t, { DATABASE_URL: two.url, REDIS_URL: redisUrl, CACHE_PREFIX: 'shop' }),
    ]
    await untilCached(a)
    t.not(await nameOf(a), 'Of the second')
    t.equal(await nameOf(b), 'Of the second')
    await untilCached(b)
    t.equal(await nameOf(b), 'Of the second')
    const prefixes = prefixesOf(await keys())
    t.equal(prefixes.length, 2)
    t.match(prefixes.toSorted(), [/^db-[0-9a-f]{10}$/, /^shop:db-[0-9a-f]{10}$/])

    await b('PATCH', '/users/7', { body: { name: 'Of the second, again' } })
    t.equal(await nameOf(b), 'Of the second, again')
    t.match(
      String((await a('GET', '/users/7')).headers['x-cache']),
      /^l[12]$/,
      'the other one has lost nothing',
    )
  },
)

t.test('two processes of one database share cached rows, by whichever URL they reach it', async (t) => {
  const { redisUrl, keys } = await keptRedis(t)
  const { url } = await testDatabase(t)
  const link = await linkTo(t, url)
  await link.mend()
  const a = await startApi(t, { DATABASE_URL: url, REDIS_URL: redisUrl })
  await untilCached(a)
  const b = await startApi(t, { DATABASE_URL: link.url, REDIS_URL: redisUrl })
  await untilCached(b, 'l2')
  t.equal(prefixesOf(await keys()).length, 1)
})

t.test(
  'a database that is dropped and created again under its name starts with an empty cache',
  async (t) => {
    const { redisUrl } = await keptRedis(t)
    const { url, superuserUrl } = await testDatabase(t)
    const first = await openApi({ DATABASE_URL: url, REDIS_URL: redisUrl })
    t.teardown(first.close)
    await untilCached(first.call)
    const old = await nameOf(first.call)
    const name = new URL(url).pathname.slice(1)
    const admin = superuser(t, Object.assign(new URL(superuserUrl), { pathname: '/postgres' }).href)
    const [owner] = await admin<{ name: string }[]>`
    select pg_get_userbyid(datdba) as name from pg_database where datname = ${name}`
    await admin.unsafe(`drop database "${name}" with (force)`)
    await admin.unsafe(`create database "${name}" owner "${owner?.name}"`)
    await migrate({ url })
    await seed({ url, users: 20, products: 5, orders: 20 })
    await superuser(t, superuserUrl)`update users set name = 'Of the new one' where id = 7`
    t.not(old, 'Of the new one')
    const next = await startApi(t, { DATABASE_URL: url, REDIS_URL: redisUrl })
    t.equal(await nameOf(next), 'Of the new one')
    await until(
      'the running process has noticed',
      async () => (await nameOf(first.call)) === 'Of the new one',
    )
    await untilCached(first.call)
    t.equal(await nameOf(first.call), 'Of the new one')
  },
)

t.test('a running process notices that its database was emptied and seeded again', async (t) => {
  const { redisUrl } = await keptRedis(t)
  const { url, superuserUrl } = await testDatabase(t)
  const a = await startApi(t, { DATABASE_URL: url, REDIS_URL: redisUrl })
  const sql = superuser(t, superuserUrl)
  await sql`update users set name = 'Of before' where id = 7`
  await untilCached(a)
  t.equal(await nameOf(a), 'Of before')
  await sql`truncate users, products, orders restart identity cascade`
  t.match(await seed({ url, users: 20, products: 5, orders: 20 }), { seeded: true })
  await until('the rows of before are gone', async () => (await nameOf(a)) !== 'Of before')
  t.match(await seed({ url }), { seeded: false })
  await untilCached(a)
})

t.test(
  'without a database a service starts and bypasses the cache until it knows the installation',
  async (t) => {
    const { redisUrl, keys } = await keptRedis(t)
    const { url } = await testDatabase(t)
    const link = await linkTo(t, url)
    const a = await startApi(t, { DATABASE_URL: link.url, REDIS_URL: redisUrl })
    t.equal((await a('GET', '/users/7')).status, 503)
    t.same(await keys(), [])
    t.match((await a('GET', '/ready')).body.checks, [
      { name: 'postgres', status: 'down' },
      { name: 'redis', status: 'degraded', error: 'CACHE_NOT_ADMITTED' },
    ])
    await link.mend()
    await untilCached(a)
    await until('it is ready', async () => (await a('GET', '/ready')).body.status === 'ok')
  },
)
