import { setTimeout as delay } from 'node:timers/promises'
import { testDatabase, testRedis, until } from '@reference/local-stack'
import { Redis } from 'ioredis'
import postgres from 'postgres'
import t, { type Test } from 'tap'
import { createCache } from './index.ts'
import { openCache } from './testing/open-cache.ts'
import { createOutboxTable, createPostgresOutbox, insertIntoOutbox } from './testing/postgres-outbox.ts'

const LIMIT_MS = 50
/** Above what a read takes on a busy machine, so that a longer one has waited for the limit. */
const LONG_LIMIT_MS = 1_000

async function openItems(t: Test, redisUrl: string, rows: Map<number, number>, timeoutMs = LIMIT_MS) {
  const cache = await openCache(t, { redis: { kind: 'single', url: redisUrl }, l2: { timeoutMs } })
  let loads = 0
  const items = cache.namespace({
    name: 'item',
    version: 1,
    ttlMs: 60_000,
    load: async (id: number) => {
      loads++
      await delay(2)
      return rows.get(id)
    },
  })
  return { cache, items, loads: () => loads }
}

t.test(
  'with Redis unavailable at start, reads go to the loader, and tier 2 is used once Redis is there',
  async (t) => {
    const redis = await testRedis(t, { own: true })
    await redis.kill()
    const cache = createCache({ redis: { kind: 'single', url: redis.url } })
    t.teardown(() => cache.close())
    const items = cache.namespace({ name: 'item', version: 1, ttlMs: 60_000, load: async (id: number) => id })
    t.match(await items.get(1), { from: 'off', value: 1 })
    await t.rejects(cache.ready())
    await redis.restart()
    await until('tier 2 is in use', async () => (await items.get(1)).from === 'l2')
    await cache.ready()
  },
)

t.test('the loss of Redis is logged once, with its reason, and its return once', async (t) => {
  const redis = await testRedis(t, { own: true })
  const lines: object[] = []
  const log = (level: string) => (fields: object, message: string) => {
    lines.push({ level, ...fields, message })
  }
  const logger = { info: log('info'), warn: log('warn'), error: log('error') }
  const cache = createCache({ redis: { kind: 'single', url: redis.url }, logger })
  t.teardown(() => cache.close())
  t.ok(await cache.whenUsable(5_000))
  t.same(lines, [])
  await redis.kill()
  await until('its loss is logged', () => lines.length === 1)
  await redis.restart()
  await until('its return is logged', () => lines.length === 2)
  const node = `127.0.0.1:${redis.port}`
  t.match(lines, [
    { level: 'warn', node, reason: /ECONNREFUSED/ },
    { level: 'info', node, message: /used again/ },
  ])
})

t.test('a wrong password is logged as the reason, without the password', async (t) => {
  const redis = await testRedis(t, { own: true })
  const admin = new Redis(redis.url)
  t.teardown(() => admin.disconnect())
  await admin.config('SET', 'requirepass', 'right')
  const lines: object[] = []
  const keep = (fields: object, message: string) => {
    lines.push({ ...fields, message })
  }
  const url = Object.assign(new URL(redis.url), { password: 'wrong-one' }).href
  const logger = { info: keep, warn: keep, error: keep }
  const cache = createCache({ redis: { kind: 'single', url }, logger })
  t.teardown(() => cache.close())
  await until('it is logged', () => lines.length > 0)
  t.match(lines, [{ reason: /WRONGPASS|NOAUTH/ }])
  t.notMatch(JSON.stringify(lines), /wrong-one/)
})

t.test('a ttlOnly namespace answers from tier 1 while Redis is unavailable', async (t) => {
  const redis = await testRedis(t, { own: true })
  await redis.kill()
  const cache = createCache({ redis: { kind: 'single', url: redis.url } })
  t.teardown(() => cache.close())
  const pages = cache.namespace({
    name: 'page',
    version: 1,
    ttlMs: 60_000,
    ttlOnly: true,
    load: async (id: number) => id,
  })
  t.match(await pages.get(1), { from: 'miss', value: 1 })
  t.match(await pages.get(1), { from: 'l1', value: 1 })
  t.match(pages.getSync(1), { from: 'l1', value: 1 })
})

t.test(
  'with Redis hung under load, no read fails, and each reader waits for the time limit about once',
  async (t) => {
    const redis = await testRedis(t, { own: true })
    const { cache, items, loads } = await openItems(
      t,
      redis.url,
      new Map(Array.from({ length: 100 }, (_, id) => [id, id])),
      LONG_LIMIT_MS,
    )
    let running = true
    const waits: number[] = []
    const failures: unknown[] = []
    const reader = async () => {
      while (running) {
        const startedAt = performance.now()
        await items.get(Math.floor(Math.random() * 100)).catch((error: unknown) => failures.push(error))
        waits.push(performance.now() - startedAt)
        await delay(1)
      }
    }
    const readers = Promise.all(Array.from({ length: 20 }, reader))
    await until('tier 1 is in use', () => items.stats().hitsL1 > 1_000)
    waits.length = 0
    redis.pause()
    await until('it is noticed', () => !cache.stats().nodes[0]?.usable)
    const loadsBefore = loads()
    await until('reads go to the loader', () => loads() > loadsBefore + 500)
    redis.resume()
    t.ok(await cache.whenUsable(20_000), 'it is back')
    const hits = items.stats().hitsL1
    await until('tier 1 is in use again', () => items.stats().hitsL1 > hits + 100)
    running = false
    await readers
    waits.sort((a, b) => a - b)
    const slow = waits.filter((wait) => wait >= LONG_LIMIT_MS).length
    t.comment(
      `p50 ${waits[waits.length >> 1]?.toFixed(1)} ms, p99 ${waits[Math.floor(waits.length * 0.99)]?.toFixed(1)} ms`,
    )
    t.same(failures, [])
    t.ok(slow <= 3 * 20, 'about one wait for each reader', { slow, of: waits.length })
  },
)

t.test('while Redis is hung, concurrent reads of a key share one load', async (t) => {
  const redis = await testRedis(t, { own: true })
  const { cache, items, loads } = await openItems(t, redis.url, new Map([[1, 1]]))
  redis.pause()
  await items.get(1)
  t.notOk(cache.stats().nodes[0]?.usable)
  const before = loads()
  await Promise.all(Array.from({ length: 100 }, () => items.get(1)))
  t.equal(loads() - before, 1)
  redis.resume()
})

t.test(
  'an invalidation that did not reach Redis is delivered later, and no process reads the old value before',
  async (t) => {
    const [database, redis] = await Promise.all([
      testDatabase(t, { from: 'empty' }),
      testRedis(t, { own: true }),
    ])
    const sql = postgres(database.url, { max: 2, onnotice: () => {} })
    await createOutboxTable(sql)
    const rows = new Map([[1, 'old']])
    const open = async () => {
      const cache = await openCache(t, {
        redis: { kind: 'single', url: redis.url },
        outbox: createPostgresOutbox(sql),
      })
      return {
        cache,
        items: cache.namespace({
          name: 'item',
          version: 1,
          ttlMs: 60_000,
          load: async (id: number) => rows.get(id),
        }),
      }
    }
    const [writer, reader] = [await open(), await open()]
    t.teardown(() => sql.end())
    await reader.items.get(1)
    await until('tier 1 holds it', async () => (await reader.items.get(1)).from === 'l1')

    redis.pause()
    rows.set(1, 'new')
    const keys = [writer.items.keyOf(1)]
    const outboxRows = await insertIntoOutbox(sql, keys)
    t.equal(outboxRows.length, 1, 'both have one cache')
    t.same(await writer.cache.deliver(keys, outboxRows), { delivered: [], undelivered: ['c:item:1:{1}'] })
    await until('tier 1 is not used any more', async () => (await reader.items.get(1)).from === 'off')
    redis.resume()

    await until('tier 2 is in use again', async () => {
      const { from, value } = await reader.items.get(1)
      t.equal(value, 'new', `from ${from}`)
      return from === 'l2'
    })
    await until('the outbox is empty', async () => {
      const [row] = await sql<{ count: number }[]>`SELECT count(*)::int AS count FROM cache_outbox`
      return row?.count === 0
    })
  },
)

t.test('outbox rows of a dead process are delivered by another one', async (t) => {
  const [database, redis] = await Promise.all([
    testDatabase(t, { from: 'empty' }),
    testRedis(t, { own: true }),
  ])
  const sql = postgres(database.url, { max: 2, onnotice: () => {} })
  await createOutboxTable(sql)
  await openCache(t, { redis: { kind: 'single', url: redis.url }, outbox: createPostgresOutbox(sql) })
  t.teardown(() => sql.end())
  const admin = new Redis(redis.url)
  t.teardown(() => admin.disconnect())
  await admin.set('c:item:1:{1}', 'a value of the dead process')
  await insertIntoOutbox(sql, ['c:item:1:{1}', 'not a key of a cache'])
  await until('it is delivered', async () => (await admin.exists('c:item:1:{1}')) === 0)
  await until('the row is gone', async () => (await sql`SELECT 1 FROM cache_outbox`).length === 0)
})

t.test('without an outbox an undelivered invalidation is an error', async (t) => {
  const redis = await testRedis(t, { own: true })
  const { items } = await openItems(t, redis.url, new Map([[1, 1]]))
  redis.pause()
  await t.rejects(items.invalidate(1), { code: 'CACHE_INVALIDATION_UNDELIVERED', statusCode: 503 })
  await t.rejects(items.clear(), { code: 'CACHE_INVALIDATION_UNDELIVERED' })
  await t.rejects(items.set(1, 2), { code: 'CACHE_INVALIDATION_UNDELIVERED' })
  redis.resume()
})
