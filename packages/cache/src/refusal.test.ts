import { Registry } from '@prometheus-io/client'
import { testDatabase, testRedis, until } from '@reference/local-stack'
import { Redis, ReplyError } from 'ioredis'
import postgres from 'postgres'
import t, { type Test } from 'tap'
import type { CacheOptions } from './index.ts'
import { refusalOf } from './refusal.ts'
import { admin, REFUSALS, replicate } from './testing/faults.ts'
import { openCache } from './testing/open-cache.ts'
import { createOutboxTable, createPostgresOutbox, insertIntoOutbox } from './testing/postgres-outbox.ts'
import { createSwitchProxy } from './testing/switch-proxy.ts'

t.setTimeout(120_000)

/** A row, and caches over one Redis that read it: in both tiers, and in tier 1 alone. */
async function openRow(t: Test) {
  const database = await testDatabase(t, { from: 'empty' })
  const sql = postgres(database.url, { max: 3, onnotice: () => {} })
  t.teardown(() => sql.end())
  await createOutboxTable(sql)
  const row = { value: 'old' }
  const open = async (url: string, options: CacheOptions = {}) => {
    const lines: { level: string; reason?: string; message: string }[] = []
    const log = (level: string) => (fields: object, message: string) => {
      lines.push({ level, ...fields, message })
    }
    const registry = new Registry()
    const cache = await openCache(t, {
      redis: { kind: 'single', url },
      outbox: createPostgresOutbox(sql),
      logger: { info: log('info'), warn: log('warn'), error: log('error') },
      registry,
      ...options,
    })
    const named = { version: 1, ttlMs: 60_000, load: async (_: number) => row.value }
    const items = cache.namespace({ name: 'item', ...named })
    const local = cache.namespace({ name: 'local', tier1Only: true, ...named })
    const fromTier1 = async () => (await items.get(1)).from === 'l1' && (await local.get(1)).from === 'l1'
    const reads = async (value: string) =>
      (await items.get(1)).value === value && (await local.get(1)).value === value
    return { cache, items, local, lines, registry, fromTier1, reads }
  }
  type Opened = Awaited<ReturnType<typeof open>>
  /** As a service writes: the row and its keys in one transaction, then the invalidation. */
  const write = async ({ cache, items, local }: Opened, value: string) => {
    const keys = [items.keyOf(1), local.keyOf(1)]
    const rows = await insertIntoOutbox(sql, keys)
    row.value = value
    return cache.deliver(keys, rows)
  }
  return { open, write, sql }
}

for (const { code, cause } of REFUSALS) {
  t.test(
    `with ${code} no process returns the old row, the refusal is reported, and the cache recovers by itself`,
    async (t) => {
      const redis = await testRedis(t, { own: true })
      const { open, write, sql } = await openRow(t)
      const [writer, reader] = [await open(redis.url), await open(redis.url)]
      await until('tier 1 has it', async () => (await writer.fromTier1()) && reader.fromTier1())
      const isReady = () =>
        reader.cache.ready().then(
          () => true,
          () => false,
        )
      t.ok(await isReady())

      const mend = await cause(redis.port)
      const { undelivered } = await write(writer, 'new')
      t.equal(undelivered.length, 2, 'the write stays in the outbox')
      t.ok(await writer.reads('new'), 'the writer reads it at once')
      await until('the other process reads it', () => reader.reads('new'))
      t.equal((await reader.items.get(1)).from, 'off')
      for (const { cache, lines, registry, reads } of [writer, reader]) {
        t.ok(await reads('new'))
        await t.rejects(cache.ready(), {
          code: 'CACHE_NODE_REFUSES',
          publicReason: new RegExp(`^${code}: .{20}`),
        })
        t.match(await registry.metrics(), new RegExp(`cache_redis_refuses{node=".*",reason="${code}"} 1`))
        const metrics = await registry.metrics()
        t.match(metrics, new RegExp(`cache_redis_refusals_total{node=".*",reason="${code}"} [1-9]`))
        t.match(metrics, /cache_tier2_usable{node=".*"} 0/)
        await until('it is logged', () => lines.length > 0)
        t.match(lines, [{ level: 'warn', reason: new RegExp(`^${code}: `) }])
      }

      await mend()
      await until('it is used again', async () => {
        t.ok((await writer.reads('new')) && (await reader.reads('new')), 'still the new row')
        return (await writer.fromTier1()) && (await reader.fromTier1()) && (await isReady())
      })
      await until('the outbox is empty', async () => (await sql`SELECT 1 FROM cache_outbox`).length === 0)
      for (const { lines } of [writer, reader]) {
        await until('its end is logged', () => lines.length > 1)
        t.match(lines.slice(0, 2), [{ level: 'warn' }, { level: 'info', message: /used again/ }])
        t.equal(lines.length, 2, 'one line each', { lines })
      }
      await write(writer, 'newer')
      await until('invalidations reach the other process', () => reader.reads('newer'))
    },
  )
}

t.test('a refusal is detected without a write or a read', async (t) => {
  const redis = await testRedis(t, { own: true })
  const cache = await openCache(t, { redis: { kind: 'single', url: redis.url } })
  await admin(redis.port, (server) => server.config('SET', 'min-replicas-to-write', '1'))
  await until('it is detected', () =>
    cache
      .ready()
      .catch(() => true)
      .then((refused) => refused === true),
  )
  t.equal(cache.stats().nodes[0]?.usable, false)
})

t.test(
  'when a replica takes over under the same name, old connections leave the demoted server',
  async (t) => {
    const [first, second] = [await testRedis(t, { own: true }), await testRedis(t, { own: true })]
    await replicate(first.port, second.port)
    const proxy = await createSwitchProxy(first.port)
    t.teardown(() => proxy.close())
    const { open, write } = await openRow(t)
    const [writer, reader] = [await open(proxy.url), await open(proxy.url)]
    await until('tier 1 has it', async () => (await writer.fromTier1()) && reader.fromTier1())

    await admin(second.port, (server) => server.replicaof('NO', 'ONE'))
    await admin(first.port, (server) => server.replicaof('127.0.0.1', second.port))
    proxy.switchTo(second.port)
    await write(writer, 'new')
    await until('all read it', async () => (await writer.reads('new')) && reader.reads('new'))
    await until('tier 1 is in use', async () => {
      t.ok((await writer.reads('new')) && (await reader.reads('new')))
      return (await writer.fromTier1()) && reader.fromTier1()
    })
    t.same((await write(writer, 'newer')).undelivered, [], 'writes reach the new server at once')
    await until('all read it', async () => (await writer.reads('newer')) && reader.reads('newer'))
    const left = await admin(first.port, async (server) => String(await server.client('LIST')))
    t.notMatch(left, /name=cache/, 'no connection is left on the old one')
  },
)

t.test(
  'when the name moves and the old server still accepts writes, it is left within seconds',
  async (t) => {
    const [first, second] = [await testRedis(t, { own: true }), await testRedis(t, { own: true })]
    await replicate(first.port, second.port)
    const proxy = await createSwitchProxy(first.port)
    t.teardown(() => proxy.close())
    const { open, write } = await openRow(t)
    const reader = await open(proxy.url)
    await until('tier 1 has it', reader.fromTier1)
    // The first server is not informed, like one that is cut off from the others.
    await admin(second.port, (server) => server.replicaof('NO', 'ONE'))
    proxy.switchTo(second.port)
    const writer = await open(proxy.url)
    t.same((await write(writer, 'new')).undelivered, [])
    await until('the process on the old server reads it', () => reader.reads('new'))
    await until('tier 1 is in use', reader.fromTier1)
    t.match(reader.lines, [{ level: 'warn', message: /another server/ }])
    t.equal(reader.cache.stats().nodes[0]?.usable, true)
  },
)

t.test('a refused login is reported as a refusal', async (t) => {
  const redis = await testRedis(t, { own: true })
  const { open } = await openRow(t)
  const reader = await open(redis.url)
  const server = new Redis(redis.url)
  t.teardown(() => server.disconnect())
  await server.config('SET', 'requirepass', 'right')
  await server.call('CLIENT', 'KILL', 'TYPE', 'normal', 'SKIPME', 'yes')
  await until('it is detected', () =>
    reader.cache.ready().then(
      () => false,
      (error: { publicReason?: string }) => /^(NOAUTH|WRONGPASS): /.test(error.publicReason ?? ''),
    ),
  )
  await server.config('SET', 'requirepass', '')
  await until('it is used again', reader.fromTier1)
})

t.test('every error reply is a refusal, except redirections and WRONGTYPE', async (t) => {
  for (const text of ['READONLY x', 'NOREPLICAS x', 'ERR unknown command', 'SOMETHINGNEW x', 'unexpected'])
    t.ok(refusalOf(new ReplyError(text)), text)
  t.equal(refusalOf(new ReplyError('odd words of a proxy'))?.code, 'ERR', 'labels stay few')
  for (const text of ['MOVED 1 a:1', 'ASK 1 a:1', 'TRYAGAIN x', 'WRONGTYPE x'])
    t.notOk(refusalOf(new ReplyError(text)), text)
  t.notOk(refusalOf(new Error('Connection is closed.')))
})
