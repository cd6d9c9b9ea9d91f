import { performance } from 'node:perf_hooks'
import { CircuitState, ConsecutiveBreaker, circuitBreaker, ExponentialBackoff, handleWhen } from 'cockatiel'
import { Redis } from 'ioredis'
import { type ConnectionOptions, listenToSocketErrors } from './connection.ts'
import { callTimeout, isWrongType, nodeUnavailable, redirectOf } from './errors.ts'
import type { Identity } from './identity.ts'
import { readIdentity } from './identity.ts'
import type { KeySpace } from './keys.ts'
import type { LeaseRedis } from './lease.ts'
import { connectWithLeases } from './lease.ts'
import { Limiter } from './limit.ts'
import type { Settings } from './options.ts'
import type { Probe, SlotRange, TimeReply } from './probe.ts'
import { createProbe } from './probe.ts'
import type { Refusal } from './refusal.ts'
import { Refusals, refusalOf, replicaError } from './refusal.ts'
import type { Proof, TrackingLink } from './tracking.ts'
import { createTrackingLink, fixedProof } from './tracking.ts'

/** The events that a node reports to the `RedisConnection` that it belongs to. */
export interface NodeEvents {
  /** Applies the outbox rows for this node. The node's values are not read before this has succeeded. */
  drain(node: RedisNode): Promise<void>
  /** Keys that were changed, removed, expired or evicted; null: all of them. */
  invalidated(keys: readonly string[] | null): void
  /** The tracking link was closed: invalidations may have been missed. */
  trackingLost(): void
  /** The node refuses a command of the cache: tier 1 must be emptied, and stays empty until the node is usable again. */
  refused(): void
  /** The node failed an attempt to recover, or replied with a redirection: its slots may have another owner. */
  unusable(): void
}

interface NodeOptions {
  id: string
  redisOptions: ConnectionOptions
  settings: Settings
  space: KeySpace
  cluster: boolean
  events: NodeEvents
}

/**
 * - `untrusted`: an invalidation may have been missed, and the recovery drain has not started. That drain will include every
 *   write committed so far.
 * - `draining`: the outbox is being applied. A new reason for distrust keeps this state, and the recovery starts over.
 * - `trusted`: until the next reason for distrust.
 * - `closed`: for good.
 */
type Trust = 'untrusted' | 'draining' | 'trusted' | 'closed'

const RECOVER_EVERY_MS = 25
/**
 * Each probe writes, so that a process that only reads also detects that the node refuses writes. The proof must end before
 * a refused invalidation counts as late, which is after 250 ms of attempts and 1 s for the outbox. A probe is three
 * commands in one packet; a tracking link sends 25 PINGs a second besides.
 */
const PROBE_EVERY_MS = 250
const WRITES_PROVEN_FOR_MS = 750
/**
 * While a node refuses commands, its name may begin to lead to another server at any moment, so the connections are replaced
 * again and again. The pause doubles from the least to the most, and starts over after `RECONNECT_CALM_MS` without a reconnect.
 */
const RECONNECT_MIN_MS = 100
const RECONNECT_MAX_MS = 2_000
const RECONNECT_CALM_MS = 10_000
const ALWAYS = fixedProof(Number.POSITIVE_INFINITY)

/**
 * One Redis that owns keys: the only one, or a master of a Cluster. The node is usable while it is trusted and a probe has
 * proven recently that it accepts writes. Every failure leads to `distrust`, and only the recovery in the background (probe
 * everything, then drain the outbox) leads back to `trusted`.
 */
export class RedisNode {
  readonly id: string
  /** Replicas that could be promoted: an invalidation waits for one of them. */
  replicas = 0
  /** The slots that the node owns in a Cluster; undefined for the only Redis. */
  slots: readonly SlotRange[] | undefined
  /** The connection for invalidations, without the breaker. In a Cluster it is a separate one, because WAIT blocks it. */
  readonly writer: Redis
  readonly refusals = new Refusals()
  readonly #options: NodeOptions
  readonly #data: LeaseRedis
  readonly #link: TrackingLink | undefined
  readonly #probe: Probe
  readonly #writeProof: boolean
  readonly #probeTimer: NodeJS.Timeout
  readonly #unavailable: Error
  readonly #limiter: Limiter
  // One failure opens the breaker: when Redis hangs, one read waits for the time limit, and the next ones do not wait.
  readonly #breaker = circuitBreaker(handleWhen(isFault), {
    breaker: new ConsecutiveBreaker(1),
    halfOpenAfter: new ExponentialBackoff({ initialDelay: 50, maxDelay: 500 }),
  })
  #trust: Trust = 'untrusted'
  /** Counts the calls of `distrust`: a call during a recovery makes that recovery void. */
  #distrusts = 0
  #recoveryTimer: NodeJS.Timeout | undefined
  #alignTimer: NodeJS.Timeout | undefined
  #writesProvenUntil: number
  #clockOffset = 0
  #identity = ''
  /** Why there is no connection. */
  #failure: (Error & { code?: string }) | undefined
  #reconnectAfter = Number.NEGATIVE_INFINITY
  #reconnectMs = RECONNECT_MIN_MS

  constructor(options: NodeOptions) {
    const { id, redisOptions, settings, cluster, space } = options
    const { timeoutMs, safeguards } = settings
    this.#options = options
    this.id = id
    this.#unavailable = nodeUnavailable(id)
    this.#limiter = new Limiter(timeoutMs, () => callTimeout(id, timeoutMs))
    this.#writeProof = safeguards.writeProof
    this.#writesProvenUntil = this.#writeProof ? 0 : Number.POSITIVE_INFINITY
    const base: ConnectionOptions = {
      ...redisOptions,
      enableOfflineQueue: false,
      maxRetriesPerRequest: 0,
      autoResendUnfulfilledCommands: false,
      connectTimeout: 1_000,
      retryStrategy: (times) => Math.min(10 * 2 ** times, 500),
    }
    this.#data = connectWithLeases({
      ...base,
      enableAutoPipelining: settings.autoPipelining && cluster,
      connectionName: 'cache',
    })
    this.writer = cluster ? ignoreErrors(new Redis({ ...base, connectionName: 'cache-writer' })) : this.#data
    this.#link = safeguards.tracking ? this.#track(base) : undefined
    this.#probe = createProbe({
      redis: this.#data,
      keyOf: space.probeOf,
      slots: () => this.slots,
      waits: () => this.replicas > 0,
    })
    this.#probeTimer = setInterval(() => this.#probeWrites(), PROBE_EVERY_MS).unref()
    this.#breaker.onBreak(() => this.distrust())
    this.#data.on('close', () => this.distrust())
    this.#data.on('ready', () => {
      this.#failure = undefined
    })
    // Keep only message and code: an error of ioredis holds its command, and that of a failed login holds the password.
    this.#data.on('error', (error: NodeJS.ErrnoException) => {
      const { message, code } = error
      this.#failure = Object.assign(new Error(message || code), code !== undefined && { code })
      this.#noteRefusal(error)
    })
    this.#recover()
  }

  /** Proof that the node's invalidations reach this process. Permanent when tracking is switched off. */
  get link(): Proof {
    return this.#link ?? ALWAYS
  }

  /** Tier 2 may be read: the node answers in time, accepts writes, and the outbox rows for it have been applied. */
  get usable(): boolean {
    return this.#trust === 'trusted' && performance.now() <= this.#writesProvenUntil
  }

  /** The node will not be read before a drain that has not started yet, which includes every write committed so far. */
  get drainAhead(): boolean {
    return this.#trust === 'untrusted'
  }

  /** `Identity.id` of the server that the connections lead to. '' until known, and where INFO is not permitted. */
  get identity(): string {
    return this.#identity
  }

  /** Why the node refuses a command of the cache; undefined while it accepts all of them. */
  get refusal(): Refusal | undefined {
    return this.refusals.current
  }

  get breakerState(): CircuitState {
    return this.#breaker.state
  }

  /** The driver's reason for a missing connection; undefined when it is connected, or when the driver gave none. */
  get fault(): string | undefined {
    return this.#failure?.message
  }

  /** Redis's clock in milliseconds, computed on the monotonic clock from its last TIME. */
  now(): number {
    return performance.now() + this.#clockOffset
  }

  /**
   * One call within the time limit. Only failures are reported to the breaker: one opens it, so it need not count successes.
   *
   * @throws AppError CACHE_NODE_UNAVAILABLE at once while the node is not usable; CACHE_CALL_TIMEOUT
   */
  async call<T>(send: (redis: LeaseRedis) => Promise<T>): Promise<T> {
    if (!this.usable) throw this.#unavailable
    try {
      return await this.#limiter.limit(send(this.#data))
    } catch (error) {
      if (isFault(error)) {
        if (!this.distrustIfRefused(error)) this.distrust()
        void this.#breaker.execute(() => Promise.reject(error)).catch(() => {})
      }
      throw error
    }
  }

  /** @throws AppError CACHE_NODE_UNAVAILABLE with the reason when there is no connection; CACHE_CALL_TIMEOUT */
  async ping(): Promise<void> {
    try {
      await this.#limiter.limit(this.#data.ping())
    } catch (error) {
      throw this.#failure === undefined ? error : nodeUnavailable(this.id, this.#failure)
    }
  }

  /**
   * An invalidation may have been missed: the node is not usable until it has answered again and its outbox rows have been
   * applied.
   */
  distrust(): void {
    this.#distrusts++
    if (this.#trust === 'trusted') this.#trust = 'untrusted'
    this.#recover()
  }

  /**
   * If the error is a reply that refuses a command of the cache: distrusts the node, has tier 1 emptied and replaces the
   * connections.
   *
   * @returns whether the error is such a reply
   */
  distrustIfRefused(error: unknown): boolean {
    if (this.#trust === 'closed' || !this.#noteRefusal(error)) return false
    this.distrust()
    this.#reconnect()
    return true
  }

  /**
   * Compares the server that a new connection found under the node's address with the server in use. If they differ, or if the
   * found server is a replica, the node is distrusted and its connections are replaced: the name leads to another server.
   */
  compare(found: Identity): void {
    if (!this.#writeProof || this.#trust !== 'trusted') return
    if (found.isReplica) {
      this.distrustIfRefused(replicaError())
      return
    }
    if (found.id === '' || this.#identity === '' || found.id === this.#identity) return
    this.#options.settings.logger?.warn(
      { node: this.id },
      'cache: the address of Redis leads to another server: connecting anew',
    )
    this.#link?.revoke()
    this.distrust()
    this.#reconnect()
  }

  close(): void {
    this.#trust = 'closed'
    clearTimeout(this.#recoveryTimer)
    clearTimeout(this.#alignTimer)
    clearInterval(this.#probeTimer)
    this.#link?.close()
    this.#data.disconnect()
    if (this.writer !== this.#data) this.writer.disconnect()
  }

  #track(base: ConnectionOptions): TrackingLink {
    const { settings, space, events } = this.#options
    return createTrackingLink({
      connect: () =>
        ignoreErrors(
          new Redis({ ...base, protocol: 2, autoResubscribe: false, connectionName: 'cache-tracking' }),
        ),
      prefix: space.tracked,
      leaseMs: settings.trackingLeaseMs,
      pingMs: settings.trackingLeaseMs * 0.4,
      idleMs: settings.trackingIdleMs,
      wakeTimeoutMs: settings.timeoutMs,
      proofOfLife: settings.safeguards.proofOfLife,
      provenAtMost: (server) =>
        this.refusal === undefined && server === this.#identity ? this.#writesProvenUntil : 0,
      onOpen: () => this.#alignConnections(),
      onInvalidate: (keys) => events.invalidated(keys),
      onClosed: () => {
        this.distrust()
        events.trackingLost()
      },
      logger: settings.logger,
    })
  }

  /**
   * Records a refusal, and revokes the proof for tier 1: a refused invalidation is announced to no process.
   *
   * @returns whether the error is a refusal
   */
  #noteRefusal(error: unknown): boolean {
    const refusal = this.#writeProof ? refusalOf(error) : undefined
    if (refusal === undefined) return false
    const isFirst = this.refusals.begin(refusal)
    this.#link?.revoke()
    if (isFirst) this.#options.events.refused()
    return true
  }

  /**
   * Replaces all connections of the node, so that its name is resolved anew.
   *
   * @returns false within the pause after a reconnect, when nothing is done
   */
  #reconnect(): boolean {
    const now = performance.now()
    if (now < this.#reconnectAfter) return false
    const isCalm = now > this.#reconnectAfter + RECONNECT_CALM_MS
    this.#reconnectMs = isCalm ? RECONNECT_MIN_MS : Math.min(this.#reconnectMs * 2, RECONNECT_MAX_MS)
    this.#reconnectAfter = now + this.#reconnectMs
    this.#data.disconnect(true)
    if (this.writer !== this.#data) this.writer.disconnect(true)
    this.#link?.reconnect()
    return true
  }

  /**
   * Replaces the connections if the tracking link leads to another server: the name may have moved between two connects.
   * While it leads there, tier 1 is not proven.
   */
  #alignConnections(): void {
    if (this.#trust !== 'trusted' || !this.#isLinkElsewhere() || this.#reconnect()) return
    this.#alignTimer ??= setTimeout(() => {
      this.#alignTimer = undefined
      this.#alignConnections()
    }, this.#reconnectAfter - performance.now())
  }

  #isLinkElsewhere(): boolean {
    return this.#writeProof && this.#link?.open === true && this.#link.server !== this.#identity
  }

  /** Tries in the background until the node is trusted. Requests are never used as probes. */
  #recover(): void {
    if (this.#trust === 'closed' || this.#recoveryTimer !== undefined) return
    this.#recoveryTimer = setTimeout(async () => {
      await this.#tryToRecover()
      this.#recoveryTimer = undefined
      if (this.#trust === 'closed') return
      if (this.#trust === 'trusted') {
        this.refusals.end()
        this.#alignConnections()
        return
      }
      this.#trust = 'untrusted'
      this.#probe.moved()
      this.#options.events.unusable()
      this.#recover()
    }, RECOVER_EVERY_MS)
  }

  async #tryToRecover(): Promise<void> {
    const distrusts = this.#distrusts
    try {
      await this.#breaker.execute(() => this.#proveEverything())
      if (this.#trust === 'closed') return
      this.#trust = 'draining'
      await this.#options.events.drain(this)
      const isUndisturbed = distrusts === this.#distrusts && this.#breaker.state === CircuitState.Closed
      if (this.#trust === 'draining' && isUndisturbed) this.#trust = 'trusted'
    } catch (error) {
      this.distrustIfRefused(error)
    }
  }

  /** Proves that the node is a master and accepts every kind of command that the cache sends. */
  async #proveEverything(): Promise<void> {
    const found = await this.#limiter.limit(readIdentity(this.#data))
    if (found.isReplica && !this.#options.cluster) throw replicaError()
    this.#identity = found.id
    // A promotion changes the identity of a server under its connections, and the link reads it only when it connects.
    if (this.#isLinkElsewhere()) this.#link?.reconnect()
    await this.#proveBy(() => this.#probe.everything())
  }

  /** While the node is trusted, extends the proof that it accepts writes. */
  #probeWrites(): void {
    if (this.#trust !== 'trusted') return
    this.#breaker
      .execute(() => this.#proveBy(() => this.#probe.write()))
      .catch((error: unknown) => {
        if (this.distrustIfRefused(error) || redirectOf(error) === undefined) return
        this.#probe.moved()
        this.#options.events.unusable()
      })
  }

  /** Sends a probe, and sets Redis's clock by its TIME. The proof counts from the moment of sending. */
  async #proveBy(write: () => Promise<TimeReply>): Promise<void> {
    const sentAt = performance.now()
    const [seconds, microseconds] = await this.#limiter.limit(this.#writeProof ? write() : this.#data.time())
    this.#clockOffset = Number(seconds) * 1_000 + Number(microseconds) / 1_000 - performance.now()
    if (this.#writeProof) this.#writesProvenUntil = sentAt + WRITES_PROVEN_FOR_MS
  }
}

/** Whether an error opens the breaker. A redirection and WRONGTYPE do not: a healthy node replies them. */
function isFault(error: unknown): boolean {
  return redirectOf(error) === undefined && !isWrongType(error)
}

/** ioredis emits an error event for each failed attempt to connect, which is fatal without a listener. `usable` reports it. */
function ignoreErrors(redis: Redis): Redis {
  return listenToSocketErrors(redis).on('error', () => {})
}
