import type { RedisOptions } from 'ioredis'

/** How to reach and log in to one Redis. */
export type ConnectionOptions = Omit<RedisOptions, 'replyMapping'>
