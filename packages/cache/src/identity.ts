import { withDeadline } from '@reference/async'
import { Redis } from 'ioredis'
import { type ConnectionOptions, listenToSocketErrors } from './connection.ts'

/** The server that answers, and the life of its data. */
export interface Identity {
  /**
   * Changes when the server restarts and when it is promoted, so when its data may have become older. '' where the
   * server does not reply it (no permission for INFO, or a provider that hides it).
   */
  id: string
  isReplica: boolean
}

const LOOK_UP_TIMEOUT_MS = 500

/** `run_id` identifies the process, `master_replid` its time as a master: only that changes in a failover and back. */
export async function readIdentity(redis: Redis): Promise<Identity> {
  const text = await redis.info('server', 'replication').catch((error: Error) => {
    if (error.message.startsWith('NOPERM')) return ''
    throw error
  })
  const field = (name: string) => new RegExp(`^${name}:(\\S+)`, 'm').exec(text)?.[1] ?? ''
  const [runId, replicationId] = [field('run_id'), field('master_replid')]
  return { id: runId === '' ? '' : `${runId}.${replicationId}`, isReplica: field('role') === 'slave' }
}

/** Asks on a new connection: the name is resolved anew, and may lead to another server than before. */
export async function lookUpIdentity(options: ConnectionOptions): Promise<Identity> {
  const redis = new Redis({
    ...options,
    lazyConnect: true,
    enableReadyCheck: false,
    retryStrategy: null,
    maxRetriesPerRequest: 0,
    connectTimeout: LOOK_UP_TIMEOUT_MS,
    connectionName: 'cache-identity',
  })
  listenToSocketErrors(redis).on('error', () => {})
  try {
    const ask = () => redis.connect().then(() => readIdentity(redis))
    return await withDeadline(ask, { timeoutMs: LOOK_UP_TIMEOUT_MS })
  } finally {
    redis.disconnect()
  }
}
