import { performance } from 'node:perf_hooks'
import { CircuitState, ConsecutiveBreaker, circuitBreaker, ExponentialBackoff, handleWhen } from 'cockatiel'
import { Redis } from 'ioredis'
import type { ConnectionOptions } from './connection.ts'
import { callTimeout, isWrongType, nodeUnavailable, redirectOf } from './errors.ts'
import type { Identity } from './identity.ts'
import { readIdentity } from './identity.ts'
import type { KeySpace } from './keys.ts'
import type { LeaseRedis } from './lease.ts'
import { connectWithLeases } from './lease.ts'
import { createLimiter } from './limit.ts'
import type { Settings } from './options.ts'
import type { SlotRange, TimeReply } from './probe.ts'
import { createProbe } from './probe.ts'
import type { Refusal } from './refusal.ts'
import { isReplicaError, refusalOf } from './refusal.ts'
import type { Proof } from './tracking.ts'
import { createTrackingLink } from './tracking.ts'

/** One Redis that owns keys: the only one, or a master of a Cluster. */
export type RedisNode = {
  readonly id: string
  /** Proof that its invalidations reach this process. */
  readonly link: Proof
  /** Replicas that could be promoted: an invalidation waits for one of them. */
  replicas: number
  /** What it owns of a Cluster; undefined for the only Redis. */
  slots: readonly SlotRange[] | undefined
  /** Tier 2 may be read: it answers in time, accepts writes, and what the outbox holds for it has been applied. */
  readonly usable: boolean
  /** The server, and the life of its data, that the connections lead to. '' until known, or where it is not told. */
  readonly identity: string
  /** Why it refuses what the cache needs; undefined while it does not. */
  readonly refusal: Refusal | undefined
  /** How often it began to refuse, by code, and the latest of them. */
  readonly refusals: { readonly byCode: ReadonlyMap<string, number>; readonly last: Refusal | undefined }
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
  /** The same, tier 1 included, if the error is a reply that refuses what the cache needs. */
  distrustIfRefused(error: unknown): boolean
  /** What another connection has found under the node's address: its own may lead to a server that was replaced. */
  compare(found: Identity): void
  close(): void
}

type NodeOptions = {
  id: string
  redisOptions: ConnectionOptions
  settings: Settings
  cluster: boolean
  probeOf: KeySpace['probeOf']
  /** Applies what the outbox holds for this node. */
  drain: (node: RedisNode) => Promise<void>
  onInvalidate: (keys: readonly string[] | null) => void
  onTrackingLost: () => void
  /** Tier 1 is to be emptied: it gets nothing new until the node is usable again. */
  onRefused: () => void
  /** It does not answer: its slots may have another owner by now. */
  onUnusable: () => void
}

const RECOVER_EVERY_MS = 25
/**
 * A process that only reads learns by this that the node refuses writes. An invalidation that is refused counts as late
 * after 250 ms of attempts and 1 s for the outbox, so the proof must end before that. Three commands in one packet, beside
 * the 25 PINGs a second of a tracking link.
 */
const PROBE_EVERY_MS = 250
const WRITES_PROVEN_FOR_MS = 750
/** A name may lead to another server at any moment while the node refuses. */
const RECONNECT_FIRST_MS = 100
const RECONNECT_MOST_MS = 2_000
const RECONNECT_CALM_MS = 10_000
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
        provenAtMost: (server) => (refusal === undefined && server === identity ? writesProvenUntil : 0),
        onOpen: alignConnections,
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
  const guarded = settings.writeProof
  const probe = createProbe({
    redis: data,
    keyOf: options.probeOf,
    slots: () => node.slots,
    waits: () => node.replicas > 0,
  })
  const refusalsByCode = new Map<string, number>()
  let refusal: Refusal | undefined
  let lastRefusal: Refusal | undefined
  let identity = ''
  let writesProvenUntil = guarded ? 0 : Number.POSITIVE_INFINITY
  let reconnectAfter = Number.NEGATIVE_INFINITY
  let reconnectMs = RECONNECT_FIRST_MS
  let trusted = false
  let draining = false
  let trustEpoch = 0
  let fault: string | undefined
  let clockOffset = 0
  const probes = setInterval(probeWrites, PROBE_EVERY_MS).unref()
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
    noteRefusal(error)
  })
  if (writer !== data) track(writer)

  const node: RedisNode = {
    id,
    link: link ?? ALWAYS,
    replicas: 0,
    slots: undefined,
    get usable() {
      return isUsable()
    },
    get identity() {
      return identity
    },
    get refusal() {
      return refusal
    },
    get refusals() {
      return { byCode: refusalsByCode, last: lastRefusal }
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
    distrustIfRefused,
    compare,
    close,
  }
  recover()
  return node

  /** The breaker hears of failures only: one opens it, so it has nothing to learn from what succeeds. */
  async function call<T>(send: (redis: LeaseRedis) => Promise<T>): Promise<T> {
    if (!isUsable()) throw unavailable
    try {
      return await limited(send(data))
    } catch (error) {
      if (isFault(error)) {
        if (!distrustIfRefused(error)) distrust()
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

  function isUsable() {
    return trusted && performance.now() <= writesProvenUntil
  }

  function distrustIfRefused(error: unknown) {
    if (!guarded || closing || !noteRefusal(error)) return false
    distrust()
    reconnect()
    return true
  }

  /** From here on tier 1 is not proven either: what the node refused is announced to no process. */
  function noteRefusal(error: unknown) {
    const seen = guarded ? refusalOf(error) : undefined
    if (seen === undefined) return false
    const isFirst = refusal === undefined
    if (seen.code !== refusal?.code) refusalsByCode.set(seen.code, (refusalsByCode.get(seen.code) ?? 0) + 1)
    refusal = seen
    lastRefusal = seen
    link?.revoke()
    if (isFirst) options.onRefused()
    return true
  }

  function compare(found: Identity) {
    if (!guarded || closing || !trusted) return
    if (found.isReplica) {
      distrustIfRefused(isReplicaError())
      return
    }
    if (found.id === '' || identity === '' || found.id === identity) return
    settings.logger?.warn(
      { node: id },
      'cache: the address of Redis leads to another server: connecting anew',
    )
    link?.revoke()
    distrust()
    reconnect()
  }

  /** All of the node's connections: its name is resolved anew. Not more often than a name can be expected to change. */
  function reconnect() {
    const now = performance.now()
    if (now < reconnectAfter) return
    reconnectMs =
      now > reconnectAfter + RECONNECT_CALM_MS
        ? RECONNECT_FIRST_MS
        : Math.min(reconnectMs * 2, RECONNECT_MOST_MS)
    reconnectAfter = now + reconnectMs
    data.disconnect(true)
    if (writer !== data) writer.disconnect(true)
    link?.reconnect()
  }

  /** The name may have moved between the making of two connections. */
  function alignConnections() {
    if (guarded && trusted && link?.open && link.server !== identity) reconnect()
  }

  /** Tries until the node is usable again; requests are never used as probes. */
  function recover() {
    if (closing || recovery !== undefined) return
    recovery = setTimeout(() => {
      const epoch = trustEpoch
      breaker
        .execute(proveEverything)
        .then(async () => {
          draining = true
          await drain(node)
          trusted = epoch === trustEpoch && breaker.state === CircuitState.Closed && !closing
        })
        .catch(distrustIfRefused)
        .finally(() => {
          recovery = undefined
          draining = false
          if (closing) return
          if (trusted) {
            refusal = undefined
            alignConnections()
            return
          }
          probe.moved()
          options.onUnusable()
          recover()
        })
    }, RECOVER_EVERY_MS)
  }

  async function proveEverything() {
    const found = await limited(readIdentity(data))
    if (found.isReplica && !cluster) throw isReplicaError()
    identity = found.id
    await proveBy(guarded ? probe.everything : () => data.time())
  }

  function probeWrites() {
    if (!trusted) return
    breaker
      .execute(() => proveBy(guarded ? probe.write : () => data.time()))
      .catch((error: unknown) => {
        if (distrustIfRefused(error) || redirectOf(error) === undefined) return
        probe.moved()
        options.onUnusable()
      })
  }

  async function proveBy(write: () => Promise<TimeReply>) {
    const sentAt = performance.now()
    const [seconds, microseconds] = await limited(write())
    clockOffset = Number(seconds) * 1_000 + Number(microseconds) / 1_000 - performance.now()
    if (guarded) writesProvenUntil = sentAt + WRITES_PROVEN_FOR_MS
  }

  function close() {
    closing = true
    trusted = false
    clearTimeout(recovery)
    clearInterval(probes)
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
