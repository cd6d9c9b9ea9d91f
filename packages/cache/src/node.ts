import { performance } from 'node:perf_hooks'
import { CircuitState, ConsecutiveBreaker, circuitBreaker, ExponentialBackoff, handleWhen } from 'cockatiel'
import { Redis } from 'ioredis'
import type { ConnectionOptions } from './connection.ts'
import { callTimeout, isWrongType, nodeUnavailable, redirectOf } from './errors.ts'
import type { LeaseRedis } from './lease.ts'
import { connectWithLeases } from './lease.ts'
import { createLimiter } from './limit.ts'
import type { Settings } from './options.ts'
import type { Proof } from './tracking.ts'
import { createTrackingLink } from './tracking.ts'

/** One Redis that owns keys: the only one, or a master of a Cluster. */
export type RedisNode = {
  readonly id: string
  /** Proof that its invalidations reach this process. */
  readonly link: Proof
  /** Replicas that could be promoted: an invalidation waits for one of them. */
  replicas: number
  /** Tier 2 may be read: it answers in time, and what the outbox holds for it has been applied. */
  readonly usable: boolean
  /** A drain is still to begin before it can be used again: it will cover whatever has been committed until now. */
  readonly drainAhead: boolean
  readonly breakerState: CircuitState
  /** Why its connection is not there, in the words of the driver; undefined when it is, or when nothing was said. */
  readonly fault: string | undefined
  /** Redis's clock in milliseconds, reckoned on the monotonic clock from its last TIME. */
  now(): number
  /** One call, within the time limit and through the breaker. Rejects at once while the node is not usable. */
  call<T>(send: (redis: LeaseRedis) => Promise<T>): Promise<T>
  /** The connection for invalidations: past the breaker, and apart from reads since WAIT blocks it. */
  readonly writer: Redis
  ping(): Promise<void>
  /** Not usable until it has answered again and the outbox has been drained: something may have been missed. */
  distrust(): void
  close(): void
}

type NodeOptions = {
  id: string
  redisOptions: ConnectionOptions
  settings: Settings
  cluster: boolean
  /** Applies what the outbox holds for this node. */
  drain: (node: RedisNode) => Promise<void>
  onInvalidate: (keys: readonly string[] | null) => void
  onTrackingLost: () => void
  /** It does not answer: its slots may have another owner by now. */
  onUnusable: () => void
}

const RECOVER_EVERY_MS = 25
const CLOCK_EVERY_MS = 10_000
const ALWAYS: Proof = { provenUntil: Number.POSITIVE_INFINITY }

export function createNode(options: NodeOptions): RedisNode {
  const { id, settings, cluster, drain } = options
  const base: ConnectionOptions = {
    ...options.redisOptions,
    enableOfflineQueue: false,
    maxRetriesPerRequest: 0,
    autoResendUnfulfilledCommands: false,
    connectTimeout: 1_000,
    retryStrategy: (times) => Math.min(10 * 2 ** times, 500),
  }
  const data = connectWithLeases({
    ...base,
    enableAutoPipelining: settings.autoPipelining && cluster,
    connectionName: 'cache',
  })
  const writer = cluster ? new Redis({ ...base, connectionName: 'cache-writer' }) : data
  const link = settings.tracking
    ? createTrackingLink({
        connect: () =>
          track(
            new Redis({ ...base, protocol: 2, autoResubscribe: false, connectionName: 'cache-tracking' }),
          ),
        prefix: settings.prefix,
        leaseMs: settings.trackingLeaseMs,
        pingMs: settings.trackingLeaseMs * 0.4,
        proofOfLife: settings.proofOfLife,
        onInvalidate: options.onInvalidate,
        onClosed: () => {
          distrust()
          options.onTrackingLost()
        },
        logger: settings.logger,
      })
    : undefined

  // One failure opens it: with Redis hung, a read costs the time limit once, and the next ones nothing.
  const breaker = circuitBreaker(handleWhen(isFault), {
    breaker: new ConsecutiveBreaker(1),
    halfOpenAfter: new ExponentialBackoff({ initialDelay: 50, maxDelay: 500 }),
  })
  const limited = createLimiter(settings.timeoutMs, () => callTimeout(id, settings.timeoutMs))
  const unavailable = nodeUnavailable(id)
  let trusted = false
  let draining = false
  let trustEpoch = 0
  let fault: string | undefined
  let clockOffset = 0
  const clock = setInterval(
    () => trusted && void breaker.execute(readClock).catch(() => {}),
    CLOCK_EVERY_MS,
  ).unref()
  let recovery: NodeJS.Timeout | undefined
  let closing = false

  breaker.onBreak(distrust)
  data.on('close', distrust)
  data.on('ready', () => {
    fault = undefined
  })
  // The message alone: an error of ioredis carries its command, and that of a login has the password.
  data.on('error', (error: NodeJS.ErrnoException) => {
    fault = error.message || error.code
  })
  if (writer !== data) track(writer)
  recover()

  const node: RedisNode = {
    id,
    link: link ?? ALWAYS,
    replicas: 0,
    get usable() {
      return trusted
    },
    get drainAhead() {
      return !trusted && !draining
    },
    get breakerState() {
      return breaker.state
    },
    get fault() {
      return fault
    },
    now: () => performance.now() + clockOffset,
    call,
    writer,
    ping: async () => void (await limited(data.ping())),
    distrust,
    close,
  }
  return node

  /** The breaker hears of failures only: one opens it, so it has nothing to learn from what succeeds. */
  async function call<T>(send: (redis: LeaseRedis) => Promise<T>): Promise<T> {
    if (!trusted) throw unavailable
    try {
      return await limited(send(data))
    } catch (error) {
      if (isFault(error)) {
        distrust()
        void breaker.execute(() => Promise.reject(error)).catch(() => {})
      }
      throw error
    }
  }

  function distrust() {
    trustEpoch++
    trusted = false
    recover()
  }

  /** Tries until the node is usable again; requests are never used as probes. */
  function recover() {
    if (closing || recovery !== undefined) return
    recovery = setTimeout(() => {
      const epoch = trustEpoch
      breaker
        .execute(readClock)
        .then(async () => {
          draining = true
          await drain(node)
          trusted = epoch === trustEpoch && breaker.state === CircuitState.Closed && !closing
        })
        .catch(() => {})
        .finally(() => {
          recovery = undefined
          draining = false
          if (trusted || closing) return
          options.onUnusable()
          recover()
        })
    }, RECOVER_EVERY_MS)
  }

  async function readClock() {
    const [seconds, microseconds] = await limited(data.time())
    clockOffset = Number(seconds) * 1_000 + Number(microseconds) / 1_000 - performance.now()
  }

  function close() {
    closing = true
    trusted = false
    clearTimeout(recovery)
    clearInterval(clock)
    link?.close()
    data.disconnect()
    if (writer !== data) writer.disconnect()
  }
}

/** What a node that works may answer does not open the breaker. */
const isFault = (error: unknown) => redirectOf(error) === undefined && !isWrongType(error)

/** ioredis reports each failed attempt to connect here too; what matters of it shows in `usable`. */
function track(redis: Redis): Redis {
  return redis.on('error', () => {})
}
