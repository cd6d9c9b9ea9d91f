import { abortable } from '@reference/async'
import { type RedisTls, redisTlsOptions } from '@reference/config'
import { Redis } from 'ioredis'
import type { Open } from './link.ts'

export interface RedisLogin {
  readonly username?: string
  readonly password?: string
  readonly tls?: RedisTls
}

/** Probes one node of a Redis Cluster, master or replica, by PING. */
export const openRedis =
  (host: string, port: number, { tls, ...login }: RedisLogin): Open =>
  async (signal, onLost) => {
    signal.throwIfAborted()
    const redis = new Redis({
      ...login,
      ...(tls && { tls: redisTlsOptions(tls, host) }),
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
      await abortable(redis.connect(), signal)
    } catch (error) {
      destroy()
      // ioredis rejects with "Connection is closed"; the event has the reason.
      throw failure ?? error
    }
    redis.on('close', onLost)
    return { ask: () => redis.ping(), destroy }
  }
