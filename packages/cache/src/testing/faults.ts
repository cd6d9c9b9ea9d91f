import { mkdir, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { Redis } from 'ioredis'

/** Redis closes connections, as a proxy or an operator does. `pubsub`: the tracking links; `normal`: all others. */
export async function killConnections(port: number, type: 'pubsub' | 'normal'): Promise<void> {
  await admin(port, (redis) => redis.call('CLIENT', 'KILL', 'TYPE', type, 'SKIPME', 'yes'))
}

/** A planned failover: the replica of `masterPort` takes over without data loss. Resolves with the new master's port. */
export async function failOver(masterPort: number): Promise<number> {
  const replicaPort = await admin(masterPort, async (redis) => {
    const id = await redis.call('CLUSTER', 'MYID')
    const replicas = (await redis.call('CLUSTER', 'REPLICAS', String(id))) as string[]
    return Number(/:(\d+)@/.exec(replicas[0] ?? '')?.[1])
  })
  await admin(replicaPort, (redis) => redis.call('CLUSTER', 'FAILOVER'))
  return replicaPort
}

export async function admin<T>(port: number, use: (redis: Redis) => Promise<T>): Promise<T> {
  const redis = new Redis({ port, lazyConnect: true, maxRetriesPerRequest: 1, connectionName: 'admin' })
  redis.on('error', () => {})
  try {
    await redis.connect()
    return await use(redis)
  } finally {
    redis.disconnect()
  }
}

/** Makes the second server a replica of the first; resolves once it has all of its data. */
export async function replicate(masterPort: number, replicaPort: number): Promise<void> {
  await admin(replicaPort, async (redis) => {
    await redis.replicaof('127.0.0.1', masterPort)
    while (!(await redis.info('replication')).includes('master_link_status:up')) await delay(10)
  })
}

/** Makes a Redis refuse writes while it goes on answering reads. `cause` resolves with a function that ends it. */
export interface RefusalFault {
  /** The first word of its replies. */
  code: string
  cause: (port: number) => Promise<() => Promise<unknown>>
}

const setting = (name: string, value: string, before: string) => async (port: number) => {
  await admin(port, (redis) => redis.config('SET', name, value))
  return () => admin(port, (redis) => redis.config('SET', name, before))
}

export const REFUSALS: readonly RefusalFault[] = [
  {
    code: 'READONLY',
    // A replica of a master that does not answer, so it keeps its data.
    cause: async (port) => {
      await admin(port, (redis) => redis.replicaof('127.0.0.1', 1))
      return () => admin(port, (redis) => redis.replicaof('NO', 'ONE'))
    },
  },
  { code: 'NOREPLICAS', cause: setting('min-replicas-to-write', '5', '0') },
  {
    code: 'OOM',
    cause: (port) =>
      admin(port, async (redis) => {
        const [, policy = ''] = (await redis.config('GET', 'maxmemory-policy')) as string[]
        const [, memory = ''] = (await redis.config('GET', 'maxmemory')) as string[]
        await redis.config('SET', 'maxmemory-policy', 'noeviction')
        await redis.config('SET', 'maxmemory', '1')
        return () =>
          admin(port, async (again) => {
            await again.config('SET', 'maxmemory', memory)
            await again.config('SET', 'maxmemory-policy', policy)
          })
      }),
  },
  {
    code: 'NOPERM',
    cause: async (port) => {
      await admin(port, (redis) => redis.call('ACL', 'SETUSER', 'default', '-@write'))
      return () => admin(port, (redis) => redis.call('ACL', 'SETUSER', 'default', '+@all'))
    },
  },
  {
    code: 'MISCONF',
    cause: (port) =>
      admin(port, async (redis) => {
        const [, dir = ''] = (await redis.config('GET', 'dir')) as string[]
        // A folder under the snapshot's name: its last step fails even where permissions do not count.
        await mkdir(join(dir, 'dump.rdb', 'in-the-way'), { recursive: true })
        await redis.config('SET', 'save', '3600 1')
        await redis.config('SET', 'stop-writes-on-bgsave-error', 'yes')
        await redis.bgsave()
        while (!(await redis.info('persistence')).includes('rdb_last_bgsave_status:err')) await delay(10)
        return async () => {
          await admin(port, (again) => again.config('SET', 'stop-writes-on-bgsave-error', 'no'))
          await rm(join(dir, 'dump.rdb'), { recursive: true, force: true })
        }
      }),
  },
]
