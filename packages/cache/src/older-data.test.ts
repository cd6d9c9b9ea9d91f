import { chmod, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { startRedis, testRedis, until } from '@reference/local-stack'
import t, { type Test } from 'tap'
import type { Safeguard } from './safeguards.ts'
import { admin } from './testing/faults.ts'
import { openCache } from './testing/open-cache.ts'
import { createSwitchProxy } from './testing/switch-proxy.ts'

/** A server that restarts on its port with the data that it has saved. */
async function persistentRedis(t: Test) {
  const dir = await mkdtemp(join(tmpdir(), 'older-data-'))
  // The server may run as another user.
  await chmod(dir, 0o777)
  t.teardown(() => rm(dir, { recursive: true, force: true }))
  const settings = { dir, save: '3600 1' }
  let server = await startRedis({ settings })
  t.teardown(() => server.stop())
  const { port } = server
  return {
    url: server.url,
    port,
    async crash() {
      process.kill(server.pid, 'SIGKILL')
      await server.exited
      server = await startRedis({ port, settings })
    },
  }
}

async function openRow(t: Test, url: string, row: { value: string }, without: Safeguard[]) {
  const cache = await openCache(t, { redis: { kind: 'single', url } }, without)
  const items = cache.namespace({
    name: 'item',
    version: 1,
    ttlMs: 60_000,
    load: async (_: number) => row.value,
  })
  return { cache, items }
}

/** Reads from tier 2, by the old process and by one that has just started, after Redis has lost an invalidation. */
async function readsAfterRestart(t: Test, without: Safeguard[]): Promise<string[]> {
  const redis = await persistentRedis(t)
  const row = { value: 'old' }
  const { cache, items } = await openRow(t, redis.url, row, without)
  await until('it is in tier 2', async () => (await items.get(1)).from === 'l1')
  await admin(redis.port, (server) => server.save())
  row.value = 'new'
  await items.invalidate(1)
  await redis.crash()
  t.equal(await admin(redis.port, (server) => server.exists(items.keyOf(1))), 1, 'the old value is back')
  await until('the cache is used again', () => cache.whenUsable(10_000))
  const other = await openRow(t, redis.url, row, without)
  const read = async ({ items }: typeof other) => String((await items.get(1)).value)
  return [await read({ cache, items }), await read(other)]
}

t.test('old values of a restarted Redis are not read', async (t) => {
  t.same(await readsAfterRestart(t, []), ['new', 'new'])
})

t.test('the same test finds the old value when the identity of the server is off', async (t) => {
  t.same(await readsAfterRestart(t, ['serverIdentity']), ['old', 'old'])
})

t.test('old values of a promoted replica are not read, nor after a failover back', async (t) => {
  const [first, second] = [await testRedis(t, { own: true }), await testRedis(t, { own: true })]
  const follow = (port: number, master: number) =>
    admin(port, (server) => server.replicaof('127.0.0.1', master))
  const lead = (port: number) => admin(port, (server) => server.replicaof('NO', 'ONE'))
  const has = (port: number, key: string) => admin(port, async (server) => (await server.exists(key)) === 1)
  const proxy = await createSwitchProxy(first.port)
  t.teardown(() => proxy.close())
  const row = { value: 'old' }
  const { cache, items } = await openRow(t, proxy.url, row, [])
  const key = items.keyOf(1)
  await follow(second.port, first.port)
  await until('it is used', async () => (await items.get(1)).from === 'l1')
  await until('the replica has it', () => has(second.port, key))

  // From here on the replica receives nothing: it takes over without the invalidation.
  await follow(second.port, 1)
  row.value = 'new'
  await items.invalidate(1)
  await lead(second.port)
  await follow(first.port, second.port)
  proxy.switchTo(second.port)
  await until('the new master is used', async () => {
    const { value, from } = await items.get(2)
    return value === 'new' && from === 'l1' && cache.stats().nodes[0]?.usable
  })
  t.ok(await has(second.port, key), 'the old value is there')

  // Back to the first server, which has kept running and has received that value again by replication.
  await until('the first server has it', () => has(first.port, key))
  await lead(first.port)
  await follow(second.port, first.port)
  proxy.switchTo(first.port)
  await until('the first server is used', async () => {
    const left = await admin(second.port, async (server) => String(await server.client('LIST')))
    return !left.includes('name=cache ') && (await cache.whenUsable(1_000))
  })
  t.ok(await has(first.port, key), 'the old value is there')
  t.equal((await items.get(1)).value, 'new')
})
