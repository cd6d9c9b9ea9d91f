import { setTimeout as delay } from 'node:timers/promises'
import { Registry } from '@prometheus-io/client'
import { testRedis, until } from '@reference/local-stack'
import fc from 'fast-check'
import { Redis } from 'ioredis'
import t from 'tap'
import { type CacheOptions, createCache } from './index.ts'
import { openCache } from './testing/open-cache.ts'

interface User {
  id: number
  name: string
}

const server = await testRedis(t, { own: true })
const redis = { kind: 'single', url: server.url } as const
// On a busy machine a call may take longer than the usual 50 ms, and a proof of life longer than 100: the loader would answer.
const patient = { l2: { timeoutMs: 5_000 }, trackingLeaseMs: 500 } as const
const admin = new Redis(server.url)
t.teardown(() => admin.disconnect())

const open = (t: Parameters<typeof openCache>[0], options: CacheOptions = {}) =>
  openCache(t, { redis, ...patient, ...options })

/** A table of users that counts how often it is read. */
function createTable() {
  const rows = new Map<number, User>([1, 2, 3].map((id) => [id, { id, name: `user ${id}` }]))
  const table = {
    rows,
    loads: 0,
    async load(id: number) {
      table.loads++
      return rows.get(id)
    },
  }
  return table
}

t.test('a value is loaded once, then found in tier 2, then in tier 1', async (t) => {
  const cache = await open(t)
  const table = createTable()
  const users = cache.namespace({ name: 'once', version: 1, ttlMs: 60_000, load: table.load })
  const miss = await users.get(1)
  t.match(miss, { from: 'miss', value: { id: 1, name: 'user 1' } })
  t.equal(miss.bytes?.toString(), '{"id":1,"name":"user 1"}', 'the bytes are the body of a reply')
  t.equal((await users.get(1)).from, 'l2')
  await until('tier 1 holds it', async () => (await users.get(1)).from === 'l1')
  t.match(users.getSync(1), { from: 'l1', value: { id: 1, name: 'user 1' } })
  t.equal(table.loads, 1)
  t.ok(await admin.exists('c:once:1:{1}'), 'its key is readable in Redis')
  t.equal(users.keyOf(1), 'c:once:1:{1}')
})

t.test('another process finds in tier 2 what the first one has loaded', async (t) => {
  const table = createTable()
  const options = { name: 'other', version: 1, ttlMs: 60_000, load: table.load }
  const [here, there] = [(await open(t)).namespace(options), (await open(t)).namespace(options)]
  await here.get(1)
  t.equal((await there.get(1)).from, 'l2')
  t.equal(table.loads, 1)
})

t.test('concurrent reads of a key share one load, within a process and across processes', async (t) => {
  const table = createTable()
  const load = async (id: number) => {
    await delay(30)
    return table.load(id)
  }
  const options = { name: 'shared', version: 1, ttlMs: 60_000, load }
  const spaces = [(await open(t)).namespace(options), (await open(t)).namespace(options)]
  const hits = await Promise.all(spaces.flatMap((users) => Array.from({ length: 50 }, () => users.get(2))))
  t.ok(hits.every((hit) => hit.value?.name === 'user 2'))
  t.equal(table.loads, 1)
})

t.test('an invalidated key leaves every process', async (t) => {
  const table = createTable()
  const options = { name: 'gone', version: 1, ttlMs: 60_000, load: table.load }
  const [here, there] = [(await open(t)).namespace(options), (await open(t)).namespace(options)]
  await here.get(1)
  await until('tier 1 holds it', async () => (await there.get(1)).from === 'l1')
  table.rows.set(1, { id: 1, name: 'renamed' })
  await here.invalidate(1)
  t.equal((await here.get(1)).value?.name, 'renamed', 'at once here')
  await until('the other process reads it', async () => (await there.get(1)).value?.name === 'renamed')
})

t.test('a key that redis-cli deletes, and FLUSHALL, leave tier 1 too', async (t) => {
  const table = createTable()
  const users = (await open(t)).namespace({ name: 'cli', version: 1, ttlMs: 60_000, load: table.load })
  for (const remove of [() => admin.del('c:cli:1:{1}'), () => admin.flushall()]) {
    await until('tier 1 holds it', async () => (await users.get(1)).from === 'l1')
    await remove()
    await until('tier 1 has removed it', () => users.getSync(1) === undefined)
  }
})

t.test('a slow reader cannot put back what it read before a write', async (t) => {
  const table = createTable()
  const held = Promise.withResolvers<void>()
  const slow = (await open(t)).namespace({
    name: 'slow',
    version: 1,
    ttlMs: 60_000,
    load: async (id: number) => {
      const row = await table.load(id)
      if (table.loads === 1) await held.promise
      return row
    },
  })
  const quick = (await open(t)).namespace({ name: 'slow', version: 1, ttlMs: 60_000, load: table.load })
  const reading = slow.get(1)
  await until('it has read the row', () => table.loads === 1)
  table.rows.set(1, { id: 1, name: 'renamed' })
  await quick.invalidate(1)
  t.equal((await quick.get(1)).value?.name, 'renamed')
  held.resolve()
  t.equal((await reading).value?.name, 'renamed', 'it reads again instead of returning the old row')
  t.equal((await quick.get(1)).value?.name, 'renamed')
  t.equal(slow.stats().refusedFills, 1)
})

t.test('a lease holder that dies delays readers by the time of its lease', async (t) => {
  const table = createTable()
  const users = (await open(t)).namespace({ name: 'dead', version: 1, ttlMs: 60_000, load: table.load })
  await admin.set('l:dead:1:{1}', 'the token of a dead process', 'PX', 60_000)
  const reading = users.get(1)
  await until('it waits for the holder', () => users.stats().leaseWaits === 1)
  t.equal(table.loads, 0)
  await admin.pexpire('l:dead:1:{1}', 1)
  t.equal((await reading).value?.name, 'user 1')
  t.equal(table.loads, 1)
})

t.test(
  'getMany keeps the order, loads all missing keys with one call, and reads a duplicate once',
  async (t) => {
    const table = createTable()
    const calls: (readonly number[])[] = []
    const users = (await open(t)).namespace({
      name: 'many',
      version: 1,
      ttlMs: 60_000,
      negativeTtlMs: 1_000,
      load: table.load,
      loadMany: async (ids: readonly number[]) => {
        calls.push(ids)
        return new Map(ids.flatMap((id) => table.rows.get(id) ?? []).map((row) => [row.id, row]))
      },
    })
    await users.get(2)
    const hits = await users.getMany([3, 2, 1, 3, 99])
    t.same(
      hits.map((hit) => hit.value?.id),
      [3, 2, 1, 3, undefined],
    )
    t.same(calls, [[3, 1, 99]])
    t.equal((await users.getMany([1, 2, 3, 99])).filter((hit) => hit.from === 'miss').length, 0)
  },
)

t.test('getMany rejects when one of its loads fails', async (t) => {
  const users = (await open(t)).namespace({
    name: 'part',
    version: 1,
    ttlMs: 60_000,
    load: async (id: number) => {
      if (id === 2) throw new Error('no such shard')
      return { id }
    },
  })
  await t.rejects(users.getMany([1, 2, 3]), { message: 'no such shard' })
})

t.test('"not found" is kept for negativeTtlMs, and an invalidation removes it', async (t) => {
  const table = createTable()
  const users = (await open(t)).namespace({
    name: 'none',
    version: 1,
    ttlMs: 60_000,
    negativeTtlMs: 30_000,
    load: table.load,
  })
  t.match(await users.get(9), { value: undefined, bytes: undefined, from: 'miss' })
  t.match(await users.get(9), { value: undefined, bytes: undefined, from: 'l2' })
  t.ok((await admin.pttl('c:none:1:{9}')) <= 30_000)
  table.rows.set(9, { id: 9, name: 'new' })
  await users.invalidate(9)
  t.equal((await users.get(9)).value?.name, 'new')
})

t.test('clear makes every value of the namespace worthless, in every process, and no others', async (t) => {
  const table = createTable()
  const open1 = await open(t)
  const options = { name: 'clear', version: 1, ttlMs: 60_000, load: table.load }
  const [here, there] = [open1.namespace(options), (await open(t)).namespace(options)]
  const others = open1.namespace({ ...options, name: 'clear-not' })
  await others.get(1)
  await here.getMany([1, 2, 3])
  await until('tier 1 holds it', async () => (await there.get(1)).from === 'l1')
  table.rows.set(1, { id: 1, name: 'renamed' })
  await here.clear()
  t.equal((await here.get(1)).value?.name, 'renamed')
  await until('the other process reads it', async () => (await there.get(1)).value?.name === 'renamed')
  t.equal((await here.get(2)).from, 'miss')
  t.equal((await others.get(1)).from, 'l2')
})

t.test('an expired value is answered within its grace while one reader refreshes it', async (t) => {
  const table = createTable()
  const users = (await open(t)).namespace({
    name: 'grace',
    version: 1,
    ttlMs: 20,
    graceMs: 60_000,
    load: table.load,
  })
  await users.get(1)
  table.rows.set(1, { id: 1, name: 'renamed' })
  await until('it is stale', async () => (await users.get(1)).stale)
  await until('it is refreshed', async () => (await users.get(1)).value?.name === 'renamed')
  t.ok(users.stats().staleServed >= 1)
})

t.test(
  'when the loader fails, an expired value is answered within its grace, an invalidated one never',
  async (t) => {
    const table = createTable()
    let broken = false
    const load = async (id: number) => {
      if (broken) throw new Error('the database is unavailable')
      return table.load(id)
    }
    const options = { name: 'broken', version: 1, ttlMs: 20, graceMs: 60_000, load }
    const users = (await open(t)).namespace(options)
    await users.get(1)
    broken = true
    await delay(30)
    t.match(await users.get(1), { stale: true, value: { name: 'user 1' } })
    await users.invalidate(1)
    await t.rejects(users.get(1), { message: 'the database is unavailable' })
  },
)

t.test('the loader is aborted at the hard limit, and the read fails with 503', async (t) => {
  let aborted = false
  const users = (await open(t)).namespace({
    name: 'hard',
    version: 1,
    ttlMs: 60_000,
    hardLimitMs: 30,
    load: (_id: number, { signal }) =>
      new Promise<User>((_, reject) => {
        signal.addEventListener('abort', () => {
          aborted = true
          reject(signal.reason)
        })
      }),
  })
  await t.rejects(users.get(1), { code: 'CACHE_LOAD_TIMEOUT', statusCode: 503, retryAfterSeconds: 1 })
  t.ok(aborted)
})

t.test('undecodable bytes in Redis are a miss, are counted and are replaced', async (t) => {
  const table = createTable()
  const users = (await open(t)).namespace({ name: 'junk', version: 1, ttlMs: 60_000, load: table.load })
  const key = users.keyOf(1)
  await admin.set(key, 'not ours')
  t.equal((await users.get(1)).from, 'miss')
  t.equal((await users.get(1)).from, 'l2')
  await admin.del(key)
  await admin.rpush(key, 'a list')
  t.equal((await users.get(1)).from, 'miss')
  t.equal((await users.get(1)).from, 'l2')
  t.equal(users.stats().undecodable, 1, 'a value of another type counts as nothing stored')
})

t.test('a read returns the row, whatever bytes are stored in Redis', async (t) => {
  const users = (await open(t, { l1: { enabled: false } })).namespace({
    name: 'fuzz',
    version: 1,
    ttlMs: 60_000,
    load: async (id: number) => ({ id, name: 'the row' }),
  })
  const key = users.keyOf(7)
  await users.get(7)
  const good = (await admin.getBuffer(key)) ?? Buffer.alloc(0)
  const damaged = fc.tuple(fc.nat(), fc.integer({ min: 1, max: 255 })).map(([at, by]) => {
    const copy = Buffer.from(good)
    copy[at % copy.length] = (copy[at % copy.length] ?? 0) ^ by
    return copy
  })
  const any = fc.uint8Array({ maxLength: 80 }).map((array) => Buffer.from(array))
  await fc.assert(
    fc.asyncProperty(fc.oneof(damaged, any), async (stored) => {
      await admin.set(key, stored)
      return (await users.get(7)).value?.name === 'the row'
    }),
    { numRuns: 300 },
  )
})

t.test('a value that does not decode is a miss', async (t) => {
  const options = { name: 'codec', version: 1, ttlMs: 60_000, load: async (id: number) => ({ id }) }
  const text = (await open(t)).namespace({ ...options, encode: () => Buffer.from('{"id":') })
  const parsed = (await open(t)).namespace(options)
  await text.get(1)
  t.match(await parsed.get(1), { from: 'miss', value: { id: 1 } })
  t.equal(parsed.stats().undecodable, 1)
})

t.test('values may be bytes that are not JSON', async (t) => {
  const raw = (await open(t)).namespace({
    name: 'raw',
    version: 1,
    ttlMs: 60_000,
    load: (_: string): Buffer => Buffer.of(0, 255),
    encode: (value) => value,
    decode: (bytes) => bytes,
  })
  for (const from of ['miss', 'l2']) t.match(await raw.get('x'), { from, value: Buffer.of(0, 255) })
})

t.test('set stores a value for every process', async (t) => {
  const table = createTable()
  const options = { name: 'set', version: 1, ttlMs: 60_000, load: table.load }
  const [here, there] = [(await open(t)).namespace(options), (await open(t)).namespace(options)]
  await here.get(1)
  await here.set(1, { id: 1, name: 'set' })
  t.match(await there.get(1), { from: 'l2', value: { name: 'set' } })
  t.equal((await here.get(1)).value?.name, 'set')
})

t.test(
  'a tier-1-only namespace stores nothing in Redis, and still receives invalidations of other processes',
  async (t) => {
    const table = createTable()
    const options = { name: 'local', version: 1, ttlMs: 60_000, tier1Only: true, load: table.load }
    const [here, there] = [(await open(t)).namespace(options), (await open(t)).namespace(options)]
    t.equal((await there.get(1)).from, 'miss')
    t.equal((await there.get(1)).from, 'l1')
    t.equal(await admin.exists(there.keyOf(1)), 0)
    table.rows.set(1, { id: 1, name: 'renamed' })
    await here.invalidate([1, 2])
    await until('the other process reads it', async () => (await there.get(1)).value?.name === 'renamed')
  },
)

t.test('without Redis, reads are answered from tier 1', async (t) => {
  const table = createTable()
  const cache = createCache()
  t.teardown(() => cache.close())
  const users = cache.namespace({ name: 'alone', version: 1, ttlMs: 60_000, load: table.load })
  t.equal((await users.get(1)).from, 'miss')
  t.equal((await users.get(1)).from, 'l1')
  await users.invalidate(1)
  t.equal((await users.get(1)).from, 'miss')
  await users.clear()
  t.equal((await users.get(1)).from, 'miss')
  await cache.ready()
})

t.test('with both tiers off every read is loaded, with `from` off', async (t) => {
  const table = createTable()
  const cache = createCache({ redis, l1: { enabled: false }, l2: { enabled: false } })
  t.teardown(() => cache.close())
  const users = cache.namespace({ name: 'off', version: 1, ttlMs: 60_000, load: table.load })
  t.equal((await users.get(1)).from, 'off')
  t.equal((await users.get(1)).from, 'off')
  t.equal(table.loads, 2)
})

t.test('tier 1 is bounded by entries and by bytes', async (t) => {
  const cache = createCache({ l1: { maxEntries: 100, maxBytes: 50_000 } })
  t.teardown(() => cache.close())
  const load = async (id: number) => 'x'.repeat(id)
  const small = cache.namespace({ name: 'small', version: 1, ttlMs: 60_000, load })
  const large = cache.namespace({ name: 'large', version: 1, ttlMs: 60_000, load })
  for (let id = 0; id < 500; id++) await small.get(id % 200)
  t.equal(small.stats().entries, 100)
  for (let id = 10_000; id < 10_020; id++) await large.get(id)
  const { entries, bytes } = large.stats()
  t.ok(entries > 0 && entries <= 5 && bytes <= 50_000, 'by bytes', { entries, bytes })
  await large.get(60_000)
  t.equal((await large.get(60_000)).from, 'miss', 'larger than the whole of tier 1: not kept')
})

t.test('keys with braces and percent signs do not collide, and an empty one is refused', async (t) => {
  const users = (await open(t)).namespace({
    name: 'keys',
    version: 1,
    ttlMs: 60_000,
    load: async (id: string) => id,
  })
  const ids = ['a}b', 'a%7Db', '}', '{', '%', '{}', 'ü', '42']
  t.same(
    (await users.getMany(ids)).map((hit) => hit.value),
    ids,
  )
  t.same(
    (await users.getMany(ids)).map((hit) => hit.value),
    ids,
  )
  t.throws(() => users.getSync(''), { code: 'CACHE_KEY_INVALID' })
})

t.test('invalid options are refused, with the given value in the message', async (t) => {
  t.throws(() => createCache({ prefix: 'no colon' }), { code: 'CACHE_OPTION_INVALID' })
  t.throws(() => createCache({ l1: { maxBytes: -1 } }), { code: 'CACHE_OPTION_INVALID', message: /-1/ })
  const cache = createCache()
  t.teardown(() => cache.close())
  const options = { name: 'a', version: 1, ttlMs: 1, load: () => 1 }
  t.throws(() => cache.namespace({ ...options, name: 'A:b' }), { code: 'CACHE_OPTION_INVALID' })
  t.throws(() => cache.namespace({ ...options, ttlMs: 0 }), { code: 'CACHE_OPTION_INVALID' })
  for (const [option, value] of [
    ['negativeTtlMs', -1],
    ['negativeTtlMs', Number.NaN],
    ['graceMs', -1],
  ] as const) {
    const wrong = { code: 'CACHE_OPTION_INVALID', message: new RegExp(`^.*${option} .*${value}`) }
    t.throws(() => cache.namespace({ ...options, [option]: value }), wrong)
  }
  cache.namespace(options)
  t.throws(() => cache.namespace(options), { code: 'CACHE_OPTION_INVALID', message: /exists/ })
})

t.test('the counts of each namespace can be scraped', async (t) => {
  const registry = new Registry()
  const table = createTable()
  const cache = await open(t, { registry })
  const users = cache.namespace({ name: 'scraped', version: 1, ttlMs: 60_000, load: table.load })
  await users.get(1)
  await until('tier 1 holds it', async () => (await users.get(1)).from === 'l1')
  await users.invalidate(2)
  const text = await registry.metrics()
  for (const line of [
    /cache_hits_total\{namespace="scraped",tier="l1"\} 1\n/,
    /cache_hits_total\{namespace="scraped",tier="l2"\} [1-9]/,
    /cache_misses_total\{namespace="scraped"\} 1\n/,
    /cache_invalidations_total\{namespace="scraped"\} 1\n/,
    /cache_entries\{namespace="scraped"\} 1\n/,
    /cache_load_seconds_count\{namespace="scraped"\} 1\n/,
    /cache_tracking_lost_total 0\n/,
    /cache_breaker_state\{node="[^"]+"\} 0\n/,
  ]) {
    t.match(text, line)
  }
})

t.test(
  'a Cluster that was never reached is a series at 0, and without Redis there is no series',
  async (t) => {
    const usable = async (redis: CacheOptions['redis']) => {
      const registry = new Registry()
      const cache = createCache({ registry, redis })
      t.teardown(() => cache.close())
      return (await registry.metrics()).split('\n').filter((line) => line.startsWith('cache_tier2_usable'))
    }
    const nodes = [{ host: '127.0.0.1', port: 1 }]
    t.strictSame(await usable({ kind: 'cluster', nodes }), ['cache_tier2_usable{node="unknown"} 0'])
    t.strictSame(await usable(undefined), [])
  },
)

t.test('the outbox can be scraped, even while the database does not answer', async (t) => {
  const registry = new Registry()
  let asked = 0
  let answer = Promise.resolve({ count: 2, oldestSeconds: 1.5 })
  const status = () => {
    asked++
    return answer
  }
  const outbox = {
    take: async () => [],
    remove: async () => {},
    register: async () => {},
    touch: async () => true,
    expire: async () => {},
    status,
  }
  await open(t, { registry, outbox })
  t.match(await registry.metrics(), /cache_outbox_depth 2\n(.*\n)*cache_outbox_oldest_seconds 1\.5\n/)
  t.equal(asked, 1, 'both by one statement')
  answer = new Promise(() => {})
  for (const text of [await registry.metrics(), await registry.metrics()]) {
    t.match(text, /cache_outbox_depth Nan\n(.*\n)*cache_outbox_oldest_seconds Nan\n/)
  }
  t.equal(asked, 2, 'scrapes during a hanging statement send no other')
})
