import { delay } from '@reference/async'
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

/**
 * A link that is awake sends 10 PINGs in 40 timers of 10 ms, and one that sleeps a PING each 500 ms. Timers are counted instead of
 * time: a process that stands still sends nothing, asleep or awake.
 */
async function sleeps(): Promise<boolean> {
  const before = await pings()
  for (let timers = 0; timers < 40; timers++) await delay(10)
  return (await pings()) - before <= 4
}

async function openIdle(t: Parameters<typeof openCache>[0], options: { tier1Only?: boolean } = {}) {
  // The limit of a call is that of a read for the link that it wakes, too.
  const cache = await openCache(t, { redis, trackingIdleMs: 50, l2: { timeoutMs: 5_000 } })
  let loads = 0
  const items = cache.namespace({
    name: 'item',
    version: 1,
    ttlMs: 60_000,
    ...options,
    load: async (id: number) => ({ id, load: ++loads }),
  })
  await until('tier 1 holds a value', async () => (await items.get(1)).from === 'l1')
  await until('the link sleeps', sleeps)
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
  await until('it sleeps again', sleeps)
})

t.test('reads keep a link awake', async (t) => {
  const { items } = await openIdle(t)
  await items.get(1)
  const before = await pings()
  const reads = setInterval(() => items.getSync(1), 5)
  t.teardown(() => clearInterval(reads))
  await until('it has sent 20 PINGs', async () => (await pings()) - before > 20)
  await until('tier 1 answers', () => items.getSync(1)?.from === 'l1')
})

t.test('a change is announced to a link that sleeps', async (t) => {
  const { items } = await openIdle(t, { tier1Only: true })
  const { load } = (await items.get(1)).value ?? {}
  await until('the link sleeps', sleeps)
  await admin.set('c:item:1:{1}', '')
  t.ok(Number((await items.get(1)).value?.load) > Number(load), 'the old value is not answered')
})
