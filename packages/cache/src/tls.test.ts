import { readFileSync } from 'node:fs'
import { hasRedisTls, startTlsRedis, testCertificate, tlsRedisCluster, until } from '@reference/local-stack'
import { Redis } from 'ioredis'
import t, { type Test } from 'tap'
import { createCache, type RedisTarget } from './index.ts'
import { openCache } from './testing/open-cache.ts'

t.setTimeout(120_000)

const skip = (await hasRedisTls()) ? false : 'this Redis was built without TLS'
const pem = (name: string) => readFileSync(testCertificate(name), 'utf8')
const ca = pem('authority.crt')
const at = (url: string, tls = {}): RedisTarget => ({ kind: 'single', url, tls: { ca, ...tls } })

/** Where each connection of the caches enters the server. */
async function connectionsOf(url: string): Promise<{ name: string; port: number }[]> {
  const admin = new Redis(url)
  const lines = String(await admin.client('LIST')).split('\n')
  admin.disconnect()
  return lines.flatMap((line) => {
    const [, port, name = ''] = / laddr=\S+:(\d+) .* name=(\S*) /.exec(line) ?? []
    return name.startsWith('cache') ? [{ name, port: Number(port) }] : []
  })
}

function openItems(cache: Awaited<ReturnType<typeof openCache>>, row: { value: string }) {
  return cache.namespace({ name: 'item', version: 1, ttlMs: 60_000, load: async (_: number) => row.value })
}

/** A cache that cannot use its Redis: reads are correct, and the reason is known. */
async function refused(t: Test, redis: RedisTarget, reason: RegExp): Promise<void> {
  const cache = createCache({ redis })
  t.teardown(() => cache.close())
  const row = { value: 'old' }
  const items = openItems(cache, row)
  await until(`the reason is ${reason}`, () =>
    cache.ready().then(
      () => false,
      ({ cause }: { cause?: { code?: string; message?: string } }) =>
        reason.test(`${cause?.code} ${cause?.message}`),
    ),
  )
  t.match(await items.get(1), { from: 'off', value: 'old' })
  row.value = 'new'
  t.match(await items.get(1), { from: 'off', value: 'new' })
}

t.test('reads, invalidations and tracking use TLS on every connection', { skip }, async (t) => {
  const redis = await startTlsRedis(t)
  const row = { value: 'old' }
  const [here, there] = [
    await openCache(t, { redis: at(redis.url) }),
    await openCache(t, { redis: at(redis.url) }),
  ]
  const [own, other] = [openItems(here, row), openItems(there, row)]
  await own.get(1)
  t.match(await other.get(1), { from: 'l2', value: 'old' })
  await until('tier 1 of the other process has it', async () => (await other.get(1)).from === 'l1')
  row.value = 'new'
  await own.invalidate(1)
  await until('the other process has heard of it', async () => (await other.get(1)).value === 'new')
  // The connection that looks the name up again comes every 3 s.
  const seen = new Map<string, number>()
  await until('each kind of connection was seen', async () => {
    for (const { name, port } of await connectionsOf(redis.plainUrl)) seen.set(name, port)
    return seen.size === 2
  })
  t.same([...seen.keys()].sort(), ['cache', 'cache-tracking'])
  t.same(new Set(seen.values()), new Set([redis.tlsPort]))
})

t.test('a certificate that cannot be trusted is refused, and the loader answers', { skip }, async (t) => {
  const redis = await startTlsRedis(t)
  await refused(
    t,
    at(redis.url, { ca: pem('other-authority.crt') }),
    /UNABLE_TO_VERIFY_LEAF_SIGNATURE|SELF_SIGNED_CERT_IN_CHAIN/,
  )
  await refused(
    t,
    { kind: 'single', url: redis.url },
    /UNABLE_TO_VERIFY_LEAF_SIGNATURE|SELF_SIGNED_CERT_IN_CHAIN/,
  )
  await redis.present('elsewhere')
  await refused(t, at(redis.url), /ERR_TLS_CERT_ALTNAME_INVALID/)
  await redis.present('expired')
  await refused(t, at(redis.url), /CERT_HAS_EXPIRED/)
})

t.test('neither side falls back to cleartext', { skip }, async (t) => {
  const redis = await startTlsRedis(t)
  // A server without TLS reads the handshake as a command, and waits for its end.
  const plain = redis.plainUrl.replace('redis:', 'rediss:')
  await refused(t, at(plain), /ETIMEDOUT|WRONG_VERSION_NUMBER|ECONNRESET/)
  await refused(t, { kind: 'single', url: `redis://127.0.0.1:${redis.tlsPort}` }, /./)
  t.same(await connectionsOf(redis.plainUrl), [])
})

t.test('a Redis that asks for a client certificate gets it', { skip }, async (t) => {
  const redis = await startTlsRedis(t)
  await redis.askClients(true)
  await refused(t, at(redis.url), /certificate required|ECONNRESET|socket/i)
  const own = { certificate: pem('client.crt'), key: pem('client.key') }
  const items = openItems(await openCache(t, { redis: at(redis.url, own) }), { value: 'row' })
  await items.get(1)
  t.match(await items.get(1), { value: 'row', from: /^l[12]$/ })
})

t.test('a certificate that expires while the service runs, and its replacement', { skip }, async (t) => {
  const redis = await startTlsRedis(t)
  const cache = await openCache(t, { redis: at(redis.url) })
  const items = openItems(cache, { value: 'row' })
  await until('it is in tier 1', async () => (await items.get(1)).from === 'l1')
  await redis.present('expired')
  await until('the loader answers', async () => (await items.get(1)).from === 'off')
  await redis.present('server')
  await until('the cache is used again', async () => (await items.get(1)).from === 'l1')
})

t.test('every node of a Cluster is reached by TLS', { skip }, async (t) => {
  const { nodes } = await tlsRedisCluster(t)
  const addresses = nodes.map(({ host, tlsPort }) => ({ host, port: tlsPort }))
  const redis: RedisTarget = { kind: 'cluster', nodes: addresses, tls: { ca } }
  const row = { value: 'old' }
  const ids = Array.from({ length: 30 }, (_, id) => id)
  const [own, other] = [
    openItems(await openCache(t, { redis }), row),
    openItems(await openCache(t, { redis }), row),
  ]
  await own.getMany(ids)
  await until('tier 1 has all', async () => (await other.getMany(ids)).every(({ from }) => from === 'l1'))
  row.value = 'new'
  await own.invalidate(ids)
  await until('each key is invalid', async () =>
    (await other.getMany(ids)).every(({ value }) => value === 'new'),
  )
  for (const { port, tlsPort } of nodes.slice(0, 3)) {
    const connections = await connectionsOf(`redis://127.0.0.1:${port}`)
    t.same(new Set(connections.map(({ name }) => name)), new Set(['cache', 'cache-tracking', 'cache-writer']))
    t.same(new Set(connections.map((connection) => connection.port)), new Set([tlsPort]))
  }
  await refused(t, { ...redis, tls: { ca: pem('other-authority.crt') } }, /./)
})
