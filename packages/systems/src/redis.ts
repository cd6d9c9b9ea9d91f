import type { Open } from './link.ts'
import { untilAborted } from './link.ts'

export interface RedisLogin {
  readonly username?: string
  readonly password?: string
}

/** One node of a Redis Cluster, master or replica: PING. */
export const openRedis =
  (host: string, port: number, login: RedisLogin): Open =>
  async (signal, onLost) => {
    const { Redis } = await import('ioredis')
    signal.throwIfAborted()
    const redis = new Redis({
      ...login,
      host,
      port,
      lazyConnect: true,
      retryStrategy: null,
      connectionName: 'health',
    })
    let failure: unknown
    redis.on('error', (error) => {
      failure = error
    })
    const destroy = () => redis.disconnect()
    try {
      await untilAborted(signal, redis.connect())
    } catch (error) {
      destroy()
      // ioredis says that the connection is closed; why was told in the event.
      throw failure ?? error
    }
    redis.on('close', onLost)
    return { ask: () => redis.ping(), destroy }
  }
