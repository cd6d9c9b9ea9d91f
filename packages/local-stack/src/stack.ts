import { hasCode } from './errors.ts'
import { type PostgresOptions, startPostgres } from './postgres.ts'
import { startRedis } from './redis.ts'
import { findRedisServer, sayOnStderr } from './redis-binary.ts'
import { startRedisCluster } from './redis-cluster.ts'

export interface StackOptions {
  postgres?: Omit<PostgresOptions, 'dir'>
  /** `single` unless given; `false` for none. */
  redis?: false | 'single' | 'cluster'
  /** Settings over those of infra's redis.conf. */
  redisSettings?: Record<string, string>
  redisPort?: number
  /** Where temporary folders are made. */
  dir?: string
  /** Receives lines about a missing Redis and its installation; standard error unless given. */
  say?: (line: string) => void
}

export interface Stack {
  /** The database `reference` as its owner. */
  databaseUrl: string
  /** The same as the role of the services, for a database that is prepared with it. */
  apiUrl: string
  /** The database `postgres` as the superuser. */
  superuserUrl: string
  redisUrl?: string
  /** `host:port,host:port,…` */
  redisClusterNodes?: string
  /** Of the postmaster and of each Redis. */
  pids: { postgres: number; redis: number[] }
  /** Settings of the services. */
  env: Record<string, string>
  stop(): Promise<void>
}

/**
 * Starts Postgres and Redis side by side, each with infra's own file, on free ports of 127.0.0.1 and in temporary folders.
 * They end with this process, however it ends. Without a Redis server the stack starts without Redis and reports that.
 */
export async function startStack(options: StackOptions = {}): Promise<Stack> {
  const { redis = 'single', dir, say = sayOnStderr } = options
  const at = dir === undefined ? {} : { dir }
  const settings = options.redisSettings === undefined ? {} : { settings: options.redisSettings }
  const startCache = async (): Promise<Cache> => {
    if (redis === false) return { env: {}, pids: [], stop: async () => {} }
    const program = await redisProgram(say)
    if (program === undefined) return { env: {}, pids: [], stop: async () => {} }
    if (redis === 'cluster') {
      const { nodes, redisClusterNodes, stop } = await startRedisCluster({ program, ...settings, ...at })
      return { env: { REDIS_CLUSTER_NODES: redisClusterNodes }, pids: nodes.map(({ pid }) => pid), stop }
    }
    const port = options.redisPort === undefined ? {} : { port: options.redisPort }
    const { url, pid, stop } = await startRedis({ program, ...port, ...settings, ...at })
    return { env: { REDIS_URL: url }, pids: [pid], stop }
  }
  const [postgres, cache] = await Promise.allSettled([
    startPostgres({ ...options.postgres, ...at }),
    startCache(),
  ])
  if (postgres.status === 'rejected') {
    if (cache.status === 'fulfilled') await cache.value.stop()
    throw postgres.reason
  }
  if (cache.status === 'rejected') {
    await postgres.value.stop()
    throw cache.reason
  }
  const { databaseUrl, apiUrl, superuserUrl } = postgres.value
  const { REDIS_URL: redisUrl, REDIS_CLUSTER_NODES: redisClusterNodes } = cache.value.env
  return {
    databaseUrl,
    apiUrl,
    superuserUrl,
    ...(redisUrl === undefined ? {} : { redisUrl }),
    ...(redisClusterNodes === undefined ? {} : { redisClusterNodes }),
    pids: { postgres: postgres.value.pid, redis: cache.value.pids },
    env: { DATABASE_URL: databaseUrl, ...cache.value.env },
    stop: async () => {
      await Promise.all([postgres.value.stop(), cache.value.stop()])
    },
  }
}

interface Cache {
  env: { REDIS_URL?: string; REDIS_CLUSTER_NODES?: string }
  pids: number[]
  stop(): Promise<void>
}

async function redisProgram(say: (line: string) => void): Promise<string | undefined> {
  try {
    return await findRedisServer({ say })
  } catch (error) {
    if (!hasCode(error, 'REDIS_MISSING') || !(error instanceof Error)) throw error
    say('*** NO REDIS: tier 2 of the cache is OFF ***')
    for (const line of error.message.split('\n')) say(line)
    return undefined
  }
}
