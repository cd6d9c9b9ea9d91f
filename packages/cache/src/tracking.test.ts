import { testRedis, until } from '@reference/local-stack'
import { Redis } from 'ioredis'
import t from 'tap'
import { openCache } from './testing/open-cache.ts'

const server = await testRedis(t, { own: true })
const redis = { kind: 'single', url: server.url } as const
const admin = new Redis(server.url)
t.teardown(() => admin.disconnect())

async function pings(): Promise<number> {
  return Number(/cmdstat_ping:calls=(\d+)/.exec(await admin.info('commandstats'))?.[1] ?? 0)
}

/** PINGs of the next 400 ms: 10 of a link that is awake, one at most of a link that sleeps. */
async function pingsIn400Ms(): Promise<number> {
  const before = await pings()
  const startedAt = performance.now()
  await until('400 ms have passed', () => performance.now() - startedAt > 400)
  return (await pings()) - before
}

async function openIdle(t: Parameters<typeof openCache>[0], options: { tier1Only?: boolean } = {}) {
  const cache = await openCache(t, { redis, trackingIdleMs: 50 })
  let loads = 0
  const items = cache.namespace({
    name: 'item',
    version: 1,
    ttlMs: 60_000,
    ...options,
    load: async (id: number) => ({ id, load: ++loads }),
  })
  await until('tier 1 holds a value', async () => (await items.get(1)).from === 'l1')
  await until('the link sleeps', async () => (await pingsIn400Ms()) <= 1)
  return { cache, items }
}

t.test('a link that sleeps is woken by a read, which tier 1 answers', async (t) => {
  const { cache, items } = await openIdle(t)
  await until('the last proof has expired', () => items.getSync(1) === undefined)
  t.ok(await cache.whenUsable(1), 'a link that sleeps counts as alive')
  const hits = await Promise.all([items.get(1), items.get(1), items.getMany([1]).then(([hit]) => hit)])
  t.same(
    hits.map((hit) => hit?.from),
    ['l1', 'l1', 'l1'],
  )
  await until('it sleeps again', async () => (await pingsIn400Ms()) <= 1)
})

t.test('reads keep a link awake', async (t) => {
  const { items } = await openIdle(t)
  await items.get(1)
  const before = await pings()
  const reads = setInterval(() => items.getSync(1), 5)
  t.teardown(() => clearInterval(reads))
  await until('it has sent 20 PINGs', async () => (await pings()) - before > 20)
  t.equal(items.getSync(1)?.from, 'l1')
})

t.test('a change is announced to a link that sleeps', async (t) => {
  const { items } = await openIdle(t, { tier1Only: true })
  const { load } = (await items.get(1)).value ?? {}
  await until('the link sleeps', async () => (await pingsIn400Ms()) <= 1)
  await admin.set('c:item:1:{1}', '')
  t.match((await items.get(1)).value, { load: Number(load) + 1 }, 'the old value is not answered')
})
