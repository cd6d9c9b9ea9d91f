import type { RedisOptions } from 'ioredis'

/** Address and login of one Redis. */
export type ConnectionOptions = Omit<RedisOptions, 'replyMapping'>
