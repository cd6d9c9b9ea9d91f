import { performance } from 'node:perf_hooks'
import { settlesWithin } from '@reference/async'
import type { Redis } from 'ioredis'
import { readIdentity } from './identity.ts'
import type { Logger } from './logger.ts'
import { refusalOf } from './refusal.ts'

/**
 * Proof of life, which tier 1 checks at each hit. `provenUntil` is on this process's monotonic clock (`performance.now()`);
 * a hit counts only before it. A closed link proves nothing.
 */
export interface Proof {
  provenUntil: number
  /** Set by each read that relies on the proof. The link clears it, and sleeps after a time without a read. */
  isRead: boolean
  /** The link is open and renews its proof seldom, since nothing is read: a read must call `wake` first. */
  isAsleep: boolean
  /** Renews the proof, and from now on as often as before. Resolves with the answer, or after a time limit. */
  wake(): Promise<void>
}

/** A proof without a link. */
export function fixedProof(provenUntil: number): Proof {
  return { provenUntil, isRead: false, isAsleep: false, wake: () => Promise.resolve() }
}

export interface TrackingLink extends Proof {
  open: boolean
  /** The identity of the server that it leads to. */
  server: string
  /** Nothing is proven until the next answer. */
  revoke(): void
  reconnect(): void
  close(): void
}

interface TrackingOptions {
  connect: () => Redis
  prefix: string
  leaseMs: number
  pingMs: number
  /** After this time without a read the link sleeps. */
  idleMs: number
  /** How long a read waits for a link that it has woken. */
  wakeTimeoutMs: number
  /** Off in the tests that show what the proof is for: an open link then counts as alive. */
  proofOfLife: boolean
  /** Keys that were changed, removed, expired or evicted, by any client; null: all of them. */
  onInvalidate: (keys: readonly string[] | null) => void
  onOpen: () => void
  onClosed: () => void
  /** The link proves nothing while writes are refused, or when its server is not the one in use. */
  provenAtMost: (server: string) => number
  logger: Logger | undefined
}

const CHANNEL = '__redis__:invalidate'
const DEAD_AFTER_MS = 1_000
/**
 * Between the PINGs of a link that sleeps. Below `DEAD_AFTER_MS`. With the 25 PINGs a second of a link that is awake, an idle
 * reference-api used 28 ms of CPU a second, and 20 with these (medians of 10 s, side by side; 11 without a Redis).
 */
const ASLEEP_PING_MS = 500

/**
 * Server-assisted invalidation from one master: Redis itself announces to this process which keys have changed
 * (https://redis.io/docs/latest/develop/reference/client-side-caching/, broadcasting mode).
 *
 * RESP2, redirected to itself: ioredis drops `invalidate` pushes of RESP3, and after a reconnect it would subscribe
 * again while tracking is silently off; so all three steps run on each `ready`.
 */
export function createTrackingLink(options: TrackingOptions): TrackingLink {
  return new RedisTrackingLink(options)
}

class RedisTrackingLink implements TrackingLink {
  provenUntil = 0
  isRead = false
  isAsleep = false
  open = false
  server = ''
  readonly #options: TrackingOptions
  readonly #redis: Redis
  #pings: NodeJS.Timeout | undefined
  #answeredAt = 0
  #readAt = 0
  #waking: Promise<void> | undefined

  constructor(options: TrackingOptions) {
    this.#options = options
    this.#redis = options.connect()
    this.#redis.on('ready', () => {
      void this.#start().catch((error: unknown) => {
        // Any other error ends the connection, and the next one starts anew.
        if (refusalOf(error) !== undefined)
          options.logger?.error({ err: error }, 'cache: Redis refuses to track invalidations')
      })
    })
    this.#redis.on('close', () => this.#closed())
    this.#redis.on('messageBuffer', (_channel: Buffer, keys: unknown) => {
      options.onInvalidate(Array.isArray(keys) ? keys.map(String) : null)
    })
  }

  revoke(): void {
    this.provenUntil = 0
  }

  wake(): Promise<void> {
    if (!this.isAsleep) return Promise.resolve()
    this.#waking ??= this.#wake().finally(() => {
      this.#waking = undefined
    })
    return this.#waking
  }

  reconnect(): void {
    this.#closed()
    this.#redis.disconnect(true)
  }

  close(): void {
    this.#closed()
    this.#redis.disconnect()
  }

  async #wake(): Promise<void> {
    const { pingMs, wakeTimeoutMs } = this.#options
    this.#pingEvery(pingMs)
    await settlesWithin(this.#prove(), wakeTimeoutMs)
    this.isAsleep = false
  }

  async #start(): Promise<void> {
    const { prefix, pingMs, proofOfLife, onOpen } = this.#options
    const redis = this.#redis
    const { id: server } = await readIdentity(redis)
    const id = await redis.client('ID')
    await redis.call('CLIENT', 'TRACKING', 'ON', 'REDIRECT', String(id), 'BCAST', 'PREFIX', prefix)
    await redis.subscribe(CHANNEL)
    this.open = true
    this.server = server
    this.#answeredAt = performance.now()
    if (!proofOfLife) this.provenUntil = Number.POSITIVE_INFINITY
    void this.#prove()
    this.#pingEvery(pingMs)
    onOpen()
  }

  #pingEvery(ms: number): void {
    clearInterval(this.#pings)
    this.#readAt = performance.now()
    this.#pings = setInterval(() => {
      void this.#prove()
      if (!this.isAsleep) this.#sleepIfIdle()
    }, ms)
  }

  #sleepIfIdle(): void {
    const now = performance.now()
    if (this.isRead) this.#readAt = now
    this.isRead = false
    if (now - this.#readAt <= this.#options.idleMs) return
    this.isAsleep = true
    this.#pingEvery(ASLEEP_PING_MS)
  }

  /** The answer proves that every invalidation before the PING has been read: both arrive in one stream. */
  async #prove(): Promise<void> {
    const { leaseMs, proofOfLife, provenAtMost } = this.#options
    const sentAt = performance.now()
    if (sentAt - this.#answeredAt > DEAD_AFTER_MS) return this.reconnect()
    try {
      await this.#redis.ping()
    } catch {
      return
    }
    this.#answeredAt = performance.now()
    if (this.open && proofOfLife) this.provenUntil = Math.min(sentAt + leaseMs, provenAtMost(this.server))
  }

  #closed(): void {
    clearInterval(this.#pings)
    this.isAsleep = false
    if (!this.open) return
    this.open = false
    this.provenUntil = 0
    this.#options.onClosed()
  }
}
