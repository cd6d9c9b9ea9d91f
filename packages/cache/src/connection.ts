import type { Redis, RedisOptions } from 'ioredis'

/** Address and login of one Redis. */
export type ConnectionOptions = Omit<RedisOptions, 'replyMapping'>

/**
 * ioredis listens to the first error of a socket only. TLS emits a second one, for example when a Redis refuses the client's
 * certificate after the handshake, and without a listener it would end the process.
 */
export function listenToSocketErrors<Client extends Redis>(redis: Client): Client {
  redis.on('connect', () => redis.stream.on('error', () => {}))
  return redis
}
