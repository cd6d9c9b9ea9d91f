import { setImmediate as turn } from 'node:timers/promises'
import { testDatabase, until } from '@reference/local-stack'
import postgres from 'postgres'
import t from 'tap'
import { createOutboxStore, queries } from './index.ts'
import { openOn } from './testing/open.ts'

const KEEP_MS = 60_000

async function open(t: Parameters<typeof testDatabase>[0]) {
  const { url, superuserUrl } = await testDatabase(t)
  const database = openOn(t, { url })
  const sql = postgres(superuserUrl, { max: 4, onnotice: () => {} })
  t.teardown(() => sql.end())
  const { signal } = new AbortController()
  const store = createOutboxStore(database)
  const register = (cache: string) => store.register(cache, KEEP_MS, signal)
  const insert = (key: string) => database.primary.run(queries.outboxInsert, { keys: [key] })
  const expire = (cache: string) =>
    sql`update cache_registrations set expires_at = now() - interval '1 ms' where id = ${cache}`
  return { database, store, sql, signal, register, insert, expire }
}

t.test('a write inserts a row a key for each registered cache, and a cache sees only its own', async (t) => {
  const { store, register, insert } = await open(t)
  t.same(await insert('c:user:1:{1}'), [], 'no cache is registered')
  await register('a')
  await register('b')
  const rows = await insert('c:user:1:{2}')
  t.same(rows.map(({ cache }) => cache).sort(), ['a', 'b'])
  t.match(await store.take('a', 10, 0), [{ key: 'c:user:1:{2}', cache: 'a' }])
  await store.remove((await store.take('a', 10, 0)).map(({ id }) => id))
  t.match(await store.status('a'), { count: 0, oldestSeconds: 0 })
  t.match(await store.status('b'), { count: 1 })
})

t.test('registering waits for writes that began before it, and for no other transaction', async (t) => {
  const { store, sql, register, insert } = await open(t)
  await register('known')
  await sql`create table elsewhere (id int)`
  const other = await sql.reserve()
  await other`begin`
  await other`insert into elsewhere values (1)`
  const writer = await sql.reserve()
  await writer`begin`
  await writer`update users set name = 'New' where id = 1`
  await writer`insert into cache_outbox (key, cache) select 'c:user:1:{1}', id from cache_registrations`
  let registered = false
  const registering = register('new').then(() => {
    registered = true
  })
  await until('later writes name it', async () => (await insert('c:user:1:{2}')).length === 2)
  for (let n = 0; n < 5; n++) {
    await insert('c:user:1:{3}')
    await turn()
    t.notOk(registered, 'the write is open')
  }
  await writer`commit`
  writer.release()
  await registering
  await other`rollback`
  other.release()
  t.same(
    (await store.take('new', 10, 0)).filter(({ key }) => key === 'c:user:1:{1}'),
    [],
    'no row was written for the new cache',
  )
})

t.test('an abort ends registering', async (t) => {
  const { store, sql } = await open(t)
  const writer = await sql.reserve()
  await writer`begin`
  await writer`insert into cache_outbox (key, cache) values ('c:user:1:{1}', 'x')`
  const ends = new AbortController()
  const registering = store.register('new', KEEP_MS, ends.signal)
  ends.abort()
  await t.rejects(registering)
  await writer`rollback`
  writer.release()
})

t.test(
  'a registration is kept by touching it, and is removed with its rows when it has expired',
  async (t) => {
    const { store, sql, signal, register, insert, expire } = await open(t)
    t.notOk(await store.touch('a', KEEP_MS), 'an unknown id')
    await register('a')
    await register('b')
    await insert('c:user:1:{1}')
    t.ok(await store.touch('a', KEEP_MS))
    await expire('a')
    t.ok(await store.touch('a', KEEP_MS), 'expired, but not removed: it is valid again')
    await expire('b')
    await store.expire(signal)
    t.notOk(await store.touch('b', KEEP_MS), 'removed: it stays so')
    t.same(await sql`select cache from cache_outbox`, [{ cache: 'a' }])
    t.same(
      (await insert('c:user:1:{2}')).map(({ cache }) => cache),
      ['a'],
    )
  },
)

t.test('a touch that races with the removal is refused', async (t) => {
  const { store, sql, register, expire } = await open(t)
  await register('a')
  await expire('a')
  const remover = await sql.reserve()
  await remover`begin`
  await remover`delete from cache_registrations where expires_at < now()`
  const touching = store.touch('a', KEEP_MS)
  await until('the touch waits for the removal', async () => {
    const waiting = await sql`select 1 from pg_locks where not granted`
    return waiting.length > 0
  })
  await remover`commit`
  remover.release()
  t.notOk(await touching)
})

t.test('a row without a cache is copied for each cache, and removed after an hour', async (t) => {
  const { store, sql, signal, register } = await open(t)
  await register('a')
  const [row] = await sql`insert into cache_outbox (key) values ('c:user:1:{1}') returning id, key`
  t.match(row, { key: 'c:user:1:{1}' }, 'as a process of the release before expects it')
  t.match(await store.take('a', 10, 0), [{ key: 'c:user:1:{1}', cache: 'a' }])
  await store.expire(signal)
  t.equal((await sql`select 1 from cache_outbox`).length, 2)
  await sql`update cache_outbox set created_at = now() - interval '61 minutes'`
  await store.expire(signal)
  t.same(await sql`select cache from cache_outbox`, [{ cache: 'a' }])
})
