import { Redis } from 'ioredis'
import type { ConnectionOptions } from './connection.ts'
import { nodeUnavailable } from './errors.ts'
import { withLimit } from './limit.ts'

/** Which server answers, and in which life of its data. */
export type Identity = {
  /**
   * Changes when the server starts anew and when it is promoted, so when its data may have become older. '' where the
   * server does not say (no permission for INFO, or a provider that hides it).
   */
  id: string
  isReplica: boolean
}

const LOOK_LIMIT_MS = 500

/** `run_id` is of the process, `master_replid` of its time as a master: a failover there and back changes only that. */
export async function readIdentity(redis: Redis): Promise<Identity> {
  const text = await redis.info('server', 'replication').catch((error: Error) => {
    if (error.message.startsWith('NOPERM')) return ''
    throw error
  })
  const field = (name: string) => new RegExp(`^${name}:(\\S+)`, 'm').exec(text)?.[1] ?? ''
  const [runId, replicationId] = [field('run_id'), field('master_replid')]
  return { id: runId === '' ? '' : `${runId}.${replicationId}`, isReplica: field('role') === 'slave' }
}

/** Asks by a connection of its own: its name is resolved anew, and may lead to another server than before. */
export async function lookUpIdentity(options: ConnectionOptions): Promise<Identity> {
  const redis = new Redis({
    ...options,
    lazyConnect: true,
    enableReadyCheck: false,
    retryStrategy: null,
    maxRetriesPerRequest: 0,
    connectTimeout: LOOK_LIMIT_MS,
    connectionName: 'cache-identity',
  })
  redis.on('error', () => {})
  try {
    const asked = redis.connect().then(() => readIdentity(redis))
    return await withLimit(asked, LOOK_LIMIT_MS, () => nodeUnavailable(options.host ?? ''))
  } finally {
    redis.disconnect()
  }
}
