import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import { findRedisCli, redisCluster, until } from '@reference/local-stack'
import t from 'tap'
import { admin, failOver } from './testing/faults.ts'
import { openCache } from './testing/open-cache.ts'

const cluster = await redisCluster(t)
const redis = { kind: 'cluster', nodes: cluster.nodes.map(({ host, port }) => ({ host, port })) } as const
const ids = Array.from({ length: 60 }, (_, id) => id)

t.setTimeout(120_000)

/** The calls of a command that each master has counted. */
async function callsOf(command: string): Promise<number[]> {
  return Promise.all(
    cluster.nodes
      .slice(0, 3)
      .map(({ port }) =>
        admin(port, async (node) =>
          Number(
            new RegExp(`cmdstat_${command}:calls=(\\d+)`).exec(await node.info('commandstats'))?.[1] ?? 0,
          ),
        ),
      ),
  )
}

t.test('getMany reads from every node in parallel and loads all missing keys with one call', async (t) => {
  let calls = 0
  const loadMany = async (wanted: readonly number[]) => {
    calls++
    return new Map(wanted.map((id) => [id, { id }]))
  }
  const options = { name: 'many', version: 1, ttlMs: 60_000, load: async (id: number) => ({ id }), loadMany }
  const here = (await openCache(t, { redis })).namespace(options)
  // On a busy machine a process may distrust a node for a moment: it loads the keys of that node by themselves, and loads keys again
  // that tier 2 has.
  let missing: readonly number[] = []
  await until('one call loads all keys', async () => {
    missing = ids.map((id) => id + ids.length + (missing[0] ?? 0))
    calls = 0
    const missed = await here.getMany(missing)
    t.same(
      missed.map((hit) => hit.value?.id),
      missing,
    )
    return calls === 1
  })
  const before = await callsOf('get')
  await until('another process reads every key from tier 2', async () => {
    const there = (await openCache(t, { redis })).namespace(options)
    return (await there.getMany(missing)).every((hit) => hit.from === 'l2')
  })
  const after = await callsOf('get')
  t.ok(
    after.every((count, node) => count > (before[node] ?? 0)),
    'every master was asked',
  )
})

t.test('an invalidation of keys on all nodes, and a clear, reach every process', async (t) => {
  let version = 1
  const options = { name: 'gone', version: 1, ttlMs: 60_000, load: async (id: number) => ({ id, version }) }
  const here = (await openCache(t, { redis })).namespace(options)
  const there = (await openCache(t, { redis })).namespace(options)
  for (const change of [() => here.invalidate(ids), () => here.clear()]) {
    await until('tier 1 holds all', async () => (await there.getMany(ids)).every((hit) => hit.from === 'l1'))
    version++
    await change()
    const seenBy = async (items: typeof here) =>
      (await items.getMany(ids)).every((hit) => hit.value?.version === version)
    t.ok(await seenBy(here), 'at once here')
    await until('the other process reads them anew', () => seenBy(there))
  }
})

t.test('an invalidation that no replica has acknowledged counts as undelivered', async (t) => {
  const cache = await openCache(t, { redis })
  const items = cache.namespace({ name: 'wait', version: 1, ttlMs: 60_000, load: async (id: number) => id })
  const replicas = cluster.nodes.slice(3)
  for (const { pid } of replicas) process.kill(pid, 'SIGSTOP')
  const { delivered, undelivered } = await cache.deliver([items.keyOf(1)], [])
  for (const { pid } of replicas) process.kill(pid, 'SIGCONT')
  t.same({ delivered, undelivered }, { delivered: [], undelivered: [items.keyOf(1)] })
  await until(
    'it is delivered again',
    async () => (await cache.deliver([items.keyOf(1)], [])).undelivered.length === 0,
  )
})

t.test('values survive a resharding, and invalidations reach keys whose slot is being moved', async (t) => {
  let version = 1
  const cache = await openCache(t, { redis })
  const items = cache.namespace({
    name: 'moved',
    version: 1,
    ttlMs: 60_000,
    load: async (id: number) => ({ id, version }),
  })
  const [source, target] = cluster.nodes
  if (source === undefined || target === undefined) throw new Error('no masters')
  await items.getMany(ids)
  const myId = (port: number) => admin(port, async (node) => String(await node.call('CLUSTER', 'MYID')))
  const [from, to] = [await myId(source.port), await myId(target.port)]
  let running = true
  const wrong: object[] = []
  const traffic = (async () => {
    while (running) {
      const id = Math.floor(Math.random() * ids.length)
      version++
      const { undelivered } = await cache.deliver([items.keyOf(id)], [])
      const hit = await items.get(id)
      if (undelivered.length === 0 && hit.value?.version !== version) wrong.push({ id, version, hit })
    }
  })()
  await promisify(execFile)(await findRedisCli(), [
    ...['--cluster', 'reshard', `127.0.0.1:${source.port}`, '--cluster-from', from, '--cluster-to', to],
    ...['--cluster-slots', '400', '--cluster-yes'],
  ])
  running = false
  await traffic
  t.same(wrong, [])
  await until('tier 1 holds all', async () => (await items.getMany(ids)).every((hit) => hit.from === 'l1'))
})

t.test('after a failover the new master is used and tracked', async (t) => {
  const cache = await openCache(t, { redis })
  const items = cache.namespace({
    name: 'over',
    version: 1,
    ttlMs: 60_000,
    load: async (id: number) => ({ id }),
  })
  const port = await failOver(cluster.nodes[2]?.port ?? 0)
  await until('the new master is in use', () =>
    cache.stats().nodes.some((node) => node.id.endsWith(`:${port}`) && node.usable),
  )
  await until('tier 1 holds all', async () => (await items.getMany(ids)).every((hit) => hit.from === 'l1'))
  const key = await admin(port, async (node) => (await node.keys('c:over:1:{*'))[0] ?? '')
  await admin(port, (node) => node.del(key))
  await until(
    'a key deleted there has left tier 1',
    () => items.getSync(Number(/\{(\d+)\}/.exec(key)?.[1])) === undefined,
  )
})
