import { keyOf } from '@reference/cache'
import { loadConfig } from '@reference/config'
import { createDatabase, createWrite, databaseSettings } from '@reference/database'
import { linkTo, startService, testDatabase, testRedis, until } from '@reference/local-stack'
import { POOLS } from '@reference/shop'
import { SERVICES } from '@reference/shop/services'
import { userEntry } from '@reference/shop/users/cache'
import { updateUser } from '@reference/shop/users/queries'
import { Redis } from 'ioredis'
import postgres from 'postgres'
import t, { type Test } from 'tap'
import { createApp } from './app.ts'
import { type Call, createCall } from './testing/test-api.ts'

type Scope = Parameters<typeof testDatabase>[0]

/** An API that shares only the servers with the others, as a process of its own does. */
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

/** A database with rows, a connection to it past the services, and a Redis. */
async function servers(t: Scope) {
  const [database, redis] = [await testDatabase(t), await testRedis(t, { own: true })]
  const sql = postgres(database.superuserUrl, { max: 1, onnotice: () => {} })
  t.teardown(() => sql.end())
  const registered = async () =>
    (await sql<{ id: string }[]>`select id from cache_registrations order by id`).map(({ id }) => id)
  return { url: database.url, superuserUrl: database.superuserUrl, redis, sql, registered }
}

const nameOf = async (call: Call, path = '/users/5') => (await call('GET', path)).body.name

async function untilCached(call: Call, tier = 'l1', path = '/users/5'): Promise<void> {
  await until(`${path} is answered from ${tier}`, async () => {
    return (await call('GET', path)).headers['x-cache'] === tier
  })
}

async function rename(call: Call, name: string): Promise<void> {
  const { status } = await call('PATCH', '/users/5', { body: { name } })
  if (status !== 200) throw new Error(`PATCH answered ${status}`)
}

const untilNamed = (call: Call, name: string) =>
  until(`it is ${name}`, async () => (await nameOf(call)) === name)

for (const other of ['without Redis', 'with another Redis']) {
  t.test(`a write that did not reach Redis is not lost to a process ${other}`, (t) => cutOff(t, other))
}

async function cutOff(t: Test, other: string): Promise<void> {
  const { url, redis, sql, registered } = await servers(t)
  const link = await linkTo(t, redis.url)
  await link.mend()
  const a = await startApi(t, { DATABASE_URL: url, REDIS_URL: link.url })
  await untilCached(a)
  const [id = ''] = await registered()
  const b = await startApi(t, {
    DATABASE_URL: url,
    ...(other === 'with another Redis' && { REDIS_URL: (await testRedis(t, { own: true })).url }),
  })
  if (other === 'with another Redis') await untilCached(b)
  else await nameOf(b)
  await link.cut()
  await rename(a, 'While A was cut off')
  const waiting = () => sql`select 1 from cache_outbox where cache = ${id}`
  t.equal((await waiting()).length, 1)
  await rename(b, 'By the other process')
  // Longer than the poll interval of the outbox: a process that took rows of another cache would have removed them.
  const [{ at } = { at: '' }] = await sql<{ at: string }[]>`select now()::text as at`
  await until('rows have grown old', async () => {
    const [row] = await sql<
      { old: boolean }[]
    >`select now() > ${at}::timestamptz + interval '2 seconds' as old`
    return row?.old
  })
  t.equal((await waiting()).length, 2, 'both wait for A')
  await link.mend()
  await until('A uses Redis again', async () => (await a('GET', '/users/5')).headers['x-cache'] !== 'off')
  t.equal(await nameOf(a), 'By the other process')
  await until('they are delivered', async () => (await waiting()).length === 0)
}

t.test('other processes see a write by a process without Redis, and by a job without a cache', async (t) => {
  const { url, redis } = await servers(t)
  const [a, b] = [
    await startApi(t, { DATABASE_URL: url, REDIS_URL: redis.url }),
    await startApi(t, { DATABASE_URL: url }),
  ]
  await untilCached(a)
  await rename(b, 'Without Redis')
  await untilNamed(a, 'Without Redis')

  const config = loadConfig(SERVICES['reference-api'], { DATABASE_URL: url })
  const database = createDatabase({
    ...databaseSettings(config, POOLS['reference-api']),
    applicationName: 'job',
  })
  t.teardown(() => database.close())
  const write = createWrite(database, { outbox: true })
  await untilCached(a)
  await write(async (tx) => ({
    result: await tx.first(updateUser, { id: 5, email: null, name: 'By a job' }),
    staleKeys: [keyOf(userEntry({ database, ttlMs: 1 }), 5)],
  }))
  await untilNamed(a, 'By a job')
})

t.test('an outbox row without a cache, as manual SQL inserts it, reaches every cache', async (t) => {
  const { url, redis, sql } = await servers(t)
  const a = await startApi(t, { DATABASE_URL: url, REDIS_URL: redis.url })
  await untilCached(a)
  await sql.begin(async (tx) => {
    await tx`update users set name = 'By hand' where id = 5`
    await tx`insert into cache_outbox (key) values ('c:user:1:{5}')`
  })
  await untilNamed(a, 'By hand')
  await until('only the row of before is left', async () => {
    const rows = await sql`select cache from cache_outbox`
    return rows.length === 1 && rows[0]?.cache === null
  })
})

t.test(
  'two Redis servers of one database receive each other’s invalidations, also with a tier off',
  async (t) => {
    const { url, redis, registered } = await servers(t)
    const other = await testRedis(t, { own: true })
    const [a, b, c] = [
      await startApi(t, { DATABASE_URL: url, REDIS_URL: redis.url }),
      await startApi(t, { DATABASE_URL: url, REDIS_URL: other.url }),
      await startApi(t, { DATABASE_URL: url, REDIS_URL: redis.url, CACHE_L2: 'off' }),
    ]
    for (const call of [a, b, c]) await untilCached(call)
    t.equal((await registered()).length, 2, 'a Redis is one cache, whatever its processes do with it')
    for (const [writer, name] of [
      [a, 'By A'],
      [b, 'By B'],
      [c, 'By C'],
    ] as const) {
      await rename(writer, name)
      for (const reader of [a, b, c]) await untilNamed(reader, name)
      for (const reader of [a, b, c]) await untilCached(reader)
    }
  },
)

t.test('a Redis that is added during writes is used only after every open write has named it', async (t) => {
  const { url, superuserUrl, redis, sql, registered } = await servers(t)
  const b = await startApi(t, { DATABASE_URL: url })
  // Above the limit of the services' role for an idle transaction.
  const writer = postgres(superuserUrl, { max: 1, onnotice: () => {} })
  t.teardown(() => writer.end())
  const mayCommit = Promise.withResolvers<void>()
  const inserted = Promise.withResolvers<void>()
  const written = writer.begin(async (tx) => {
    await tx`update users set name = 'Begun before' where id = 5`
    await tx`insert into cache_outbox (key, cache)
      select 'c:user:1:{5}', id from cache_registrations`
    inserted.resolve()
    await mayCommit.promise
  })
  await inserted.promise
  const service = startService(t, 'reference-api', { DATABASE_URL: url, REDIS_URL: redis.url })
  const a = createCall(await service.listening())
  await until('it is registered', async () => (await registered()).length === 1)
  for (let n = 0; n < 5; n++) t.equal((await a('GET', '/users/5')).headers['x-cache'], 'off')
  t.match((await a('GET', '/ready')).body, {
    status: 'degraded',
    checks: [{ name: 'postgres' }, { name: 'redis', error: 'CACHE_NOT_ADMITTED' }],
  })
  await until('the log says why', () => /transactions that began before/.test(service.output.text))
  t.same(await sql`select 1 from cache_outbox`, [], 'the write has no row for it')
  mayCommit.resolve()
  await written
  await untilCached(a)
  t.equal(await nameOf(a), 'Begun before')
  await rename(b, 'After')
  await untilNamed(a, 'After')
})

t.test('a known Redis is used at once, also while a write is open', async (t) => {
  const { url, redis, sql, registered } = await servers(t)
  const first = await openApi({ DATABASE_URL: url, REDIS_URL: redis.url })
  await untilCached(first.call)
  await first.close()
  const [id] = await registered()
  const again = await sql.begin(async (tx) => {
    await tx`insert into cache_outbox (key, cache) select 'c:user:1:{6}', id from cache_registrations`
    const call = await startApi(t, { DATABASE_URL: url, REDIS_URL: redis.url })
    await untilCached(call, 'l2')
    return call
  })
  await untilCached(again)
  t.same(await registered(), [id])
})

t.test('a cache whose registration has expired starts empty when it returns', async (t) => {
  const { url, redis, sql, registered } = await servers(t)
  const first = await openApi({ DATABASE_URL: url, REDIS_URL: redis.url })
  const old = await nameOf(first.call)
  await untilCached(first.call)
  await first.close()
  const ids = await registered()
  await sql`delete from cache_registrations`
  const b = await startApi(t, { DATABASE_URL: url })
  await rename(b, 'While no one knew of it')
  const a = await startApi(t, { DATABASE_URL: url, REDIS_URL: redis.url })
  await untilCached(a)
  t.not(await nameOf(a), old)
  t.equal((await registered()).length, 1)
  t.notSame(await registered(), ids, 'an id is never used again')
})

t.test('after FLUSHALL a new id is registered, and the cache works again', async (t) => {
  const { url, redis, registered } = await servers(t)
  const [a, b] = [
    await startApi(t, { DATABASE_URL: url, REDIS_URL: redis.url }),
    await startApi(t, { DATABASE_URL: url, REDIS_URL: redis.url }),
  ]
  await untilCached(a)
  const ids = await registered()
  const admin = new Redis(redis.url)
  t.teardown(() => admin.disconnect())
  await admin.flushall()
  await until('a new id is registered', async () => (await registered()).length > ids.length)
  await untilCached(a)
  await untilCached(b)
  await rename(b, 'After FLUSHALL')
  await untilNamed(a, 'After FLUSHALL')
})
