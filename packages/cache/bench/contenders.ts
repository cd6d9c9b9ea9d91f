import { createKeyv } from '@keyv/redis'
import { createCache as createDedupe } from 'async-cache-dedupe'
import { BentoCache, bentostore } from 'bentocache'
import { memoryDriver } from 'bentocache/drivers/memory'
import { redisDriver } from 'bentocache/drivers/redis'
import { Cacheable } from 'cacheable'
import { Redis } from 'ioredis'
import { createCache } from '../src/index.ts'

export interface User {
  id: number
  email: string
  name: string
  createdAt: string
}

/** `l1`: what a read of a warm process costs. `l2`: tier 1 off, the value is in Redis. `both`: as one would deploy it. */
export type Tiers = 'l1' | 'l2' | 'both'

export interface Contender {
  name: string
  get(id: number): Promise<User | undefined>
  /** The body of a reply. */
  body(id: number): Promise<Buffer | string | undefined>
  getMany(ids: readonly number[]): Promise<(User | undefined)[]>
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
      close: () => cache.close(),
    }
  },

  bentocache: async (url, tiers, load) => {
    const connection = new Redis(url, { enableAutoPipelining: true })
    const store = bentostore()
    if (tiers !== 'l2') store.useL1Layer(memoryDriver({ maxItems: ENTRIES, maxSize: '64mb' }))
    if (tiers !== 'l1') store.useL2Layer(redisDriver({ connection }))
    const cache = new BentoCache({ default: 'main', stores: { main: store } })
    const get = (id: number) => cache.getOrSet({ key: `user:${id}`, ttl: TTL_MS, factory: () => load(id) })
    return {
      name: 'bentocache',
      get,
      body: async (id) => JSON.stringify(await get(id)),
      getMany: (ids) => Promise.all(ids.map(get)),
      close: async () => {
        await cache.disconnectAll()
        connection.disconnect()
      },
    }
  },

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
      close: async () => client.disconnect(),
    }
  },
}
