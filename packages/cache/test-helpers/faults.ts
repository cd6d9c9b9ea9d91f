import { Redis } from 'ioredis'

/** Redis closes connections, as a proxy or an operator does. `pubsub`: the tracking links; `normal`: all others. */
export async function killConnections(port: number, type: 'pubsub' | 'normal'): Promise<void> {
  await admin(port, (redis) => redis.call('CLIENT', 'KILL', 'TYPE', type, 'SKIPME', 'yes'))
}

/** A planned failover: the replica of `masterPort` takes over, nothing is lost. Resolves with the new master's port. */
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
