import { createKeyv } from '@keyv/redis'
import { createCache as createDedupe } from 'async-cache-dedupe'
import { BentoCache, bentostore } from 'bentocache'
import { memoryDriver } from 'bentocache/drivers/memory'
import { redisBusDriver, redisDriver } from 'bentocache/drivers/redis'
import { Cacheable } from 'cacheable'
import { Redis } from 'ioredis'
import { createNotificationPair, Loader, RedisCache } from 'layered-loader'
import { createCache } from '../src/index.ts'

export interface User {
  id: number
  email: string
  name: string
  createdAt: string
}

/**
 * `l1`: what a read of a warm process costs. `l2`: tier 1 off, the value is in Redis. `both`: as one would deploy it, with the bus that
 * the library has for several processes.
 */
export type Tiers = 'l1' | 'l2' | 'both'

export interface Contender {
  name: string
  get(id: number): Promise<User | undefined>
  /** The body of a reply. */
  body(id: number): Promise<Buffer | string | undefined>
  getMany(ids: readonly number[]): Promise<(User | undefined)[]>
  /** After a write. */
  invalidate(id: number): Promise<unknown>
  close(): Promise<unknown>
}

type Open = (redisUrl: string, tiers: Tiers, load: (id: number) => Promise<User>) => Promise<Contender>

const TTL_MS = 3_600_000
const ENTRIES = 10_000

export const contenders: Record<string, Open> = {
  'this cache': async (url, tiers, load) => {
    const cache = createCache({
      redis: { kind: 'single', url },
      l1: { enabled: tiers !== 'l2', maxEntries: ENTRIES },
    })
    await cache.whenUsable(5_000)
    const users = cache.namespace({
      name: 'user',
      version: 1,
      ttlMs: TTL_MS,
      load,
      loadMany: async (ids: readonly number[]) =>
        new Map(await Promise.all(ids.map(async (id) => [id, await load(id)] as const))),
    })
    return {
      name: 'this cache',
      get: async (id) => (users.getSync(id) ?? (await users.get(id))).value,
      body: async (id) => (users.getSync(id) ?? (await users.get(id))).bytes,
      getMany: async (ids) => (await users.getMany(ids)).map((hit) => hit.value),
      invalidate: (id) => users.invalidate(id),
      close: () => cache.close(),
    }
  },

  bentocache: async (url, tiers, load) => {
    const connection = new Redis(url, { enableAutoPipelining: true })
    const store = bentostore()
    if (tiers !== 'l2') store.useL1Layer(memoryDriver({ maxItems: ENTRIES, maxSize: '64mb' }))
    if (tiers !== 'l1') store.useL2Layer(redisDriver({ connection }))
    if (tiers === 'both') {
      const { host, port } = connection.options
      store.useBus(redisBusDriver({ connection: { host: host ?? '', port: port ?? 6379 } }))
    }
    const cache = new BentoCache({ default: 'main', stores: { main: store } })
    const get = (id: number) => cache.getOrSet({ key: `user:${id}`, ttl: TTL_MS, factory: () => load(id) })
    return {
      name: 'bentocache',
      get,
      body: async (id) => JSON.stringify(await get(id)),
      getMany: (ids) => Promise.all(ids.map(get)),
      invalidate: (id) => cache.delete({ key: `user:${id}` }),
      close: async () => {
        await cache.disconnectAll()
        connection.disconnect()
      },
    }
  },

  // Its bus for several processes, CacheableSync, needs packages of Qified that are not installed here.
  cacheable: async (url, tiers, load) => {
    const keyv = createKeyv(url)
    const cache = new Cacheable({
      ttl: TTL_MS,
      ...(tiers === 'l2' ? { primary: keyv } : tiers === 'both' ? { secondary: keyv } : {}),
    })
    const get = (id: number) => cache.getOrSet(`user:${id}`, () => load(id), { ttl: TTL_MS })
    return {
      name: 'cacheable',
      get,
      body: async (id) => JSON.stringify(await get(id)),
      getMany: async (ids) => {
        const found = await cache.getMany<User>(ids.map((id) => `user:${id}`))
        return Promise.all(found.map((user, index) => user ?? load(ids[index] ?? 0)))
      },
      invalidate: (id) => cache.delete(`user:${id}`),
      close: async () => {
        await cache.disconnect()
        await keyv.disconnect()
      },
    }
  },

  // It has one store, memory or Redis, and nothing for many keys.
  'async-cache-dedupe': async (url, tiers, load) => {
    const client = new Redis(url, { enableAutoPipelining: true })
    const cache = createDedupe({
      ttl: TTL_MS / 1_000,
      storage:
        tiers === 'l1'
          ? { type: 'memory', options: { size: ENTRIES } }
          : { type: 'redis', options: { client } },
    }).define('user', load)
    return {
      name: 'async-cache-dedupe',
      get: (id) => cache.user(id),
      body: async (id) => JSON.stringify(await cache.user(id)),
      getMany: (ids) => Promise.all(ids.map((id) => cache.user(id))),
      invalidate: (id) => cache.clear('user', id),
      close: async () => client.disconnect(),
    }
  },

  'layered-loader': async (url, tiers, load) => {
    const clients = [new Redis(url, { enableAutoPipelining: true }), new Redis(url), new Redis(url)] as const
    const { publisher, consumer } = createNotificationPair<User>({
      channel: 'users',
      publisherRedis: clients[1],
      consumerRedis: clients[2],
    })
    const users = new Loader<User>({
      inMemoryCache: tiers === 'l2' ? false : { ttlInMsecs: TTL_MS, maxItems: ENTRIES },
      ...(tiers !== 'l1' && {
        asyncCache: new RedisCache<User>(clients[0], { json: true, prefix: 'layered', ttlInMsecs: TTL_MS }),
      }),
      ...(tiers === 'both' && { notificationPublisher: publisher, notificationConsumer: consumer }),
      dataSourceGetOneFn: (key) => load(Number(key)),
      dataSourceGetManyFn: (keys) => Promise.all(keys.map((key) => load(Number(key)))),
      cacheKeyFromValueResolver: ({ id }) => String(id),
    })
    await users.init()
    const get = async (id: number) =>
      users.getInMemoryOnly(String(id)) ?? (await users.get(String(id))) ?? undefined
    return {
      name: 'layered-loader',
      get,
      body: async (id) => JSON.stringify(await get(id)),
      getMany: (ids) => users.getMany(ids.map(String)),
      invalidate: (id) => users.invalidateCacheFor(String(id)),
      close: async () => {
        for (const client of clients) client.disconnect()
      },
    }
  },
}
