import { linkTo, redisCluster, testRedis, until } from '@reference/local-stack'
import t from 'tap'
import { openCache } from './testing/open-cache.ts'

t.test('processes share counts, which expire', async (t) => {
  const { url } = await testRedis(t)
  const redis = { kind: 'single', url } as const
  const [here, there] = [
    await openCache(t, { redis, prefix: 'a' }),
    await openCache(t, { redis, prefix: 'a' }),
  ]
  const other = await openCache(t, { redis, prefix: 'b' })
  t.same(await here.counts?.add(new Map([['x', 3]]), 60_000), new Map([['x', 3]]))
  t.same(
    await there.counts?.add(
      new Map([
        ['x', 2],
        ['y', 1],
      ]),
      60_000,
    ),
    new Map([
      ['x', 5],
      ['y', 1],
    ]),
  )
  t.same(await other.counts?.add(new Map([['x', 1]]), 60_000), new Map([['x', 1]]), 'another installation')
  await here.counts?.add(new Map([['x', 0]]), 1)
  await until(
    'the count is gone',
    async () => (await here.counts?.add(new Map([['x', 0]]), 1))?.get('x') === 0,
  )
})

t.test('counts of a Cluster lie on all its nodes', async (t) => {
  const { nodes } = await redisCluster(t)
  const redis = { kind: 'cluster', nodes: nodes.map(({ host, port }) => ({ host, port })) } as const
  const [here, there] = [await openCache(t, { redis }), await openCache(t, { redis })]
  const counts = new Map(Array.from({ length: 30 }, (_, n) => [`client-${n}`, n + 1]))
  await here.counts?.add(counts, 60_000)
  const totals = await there.counts?.add(counts, 60_000)
  t.ok([...counts].every(([name, count]) => totals?.get(name) === 2 * count))
})

t.test('without an answer of Redis counting fails in time', async (t) => {
  const own = await testRedis(t)
  const link = await linkTo(t, own.url)
  await link.mend()
  const cache = await openCache(t, { redis: { kind: 'single', url: link.url } })
  t.ok(await cache.counts?.add(new Map([['x', 1]]), 60_000))
  await link.cut()
  const startedAt = performance.now()
  await t.rejects(async () => cache.counts?.add(new Map([['x', 1]]), 60_000))
  t.ok(performance.now() - startedAt < 5000)
  t.equal((await openCache(t, {})).counts, undefined, 'without Redis there are none')
})
