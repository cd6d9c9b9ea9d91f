import { performance } from 'node:perf_hooks'
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
 * Server-assisted invalidation from one master: Redis itself announces to this process which keys have changed
 * (https://redis.io/docs/latest/develop/reference/client-side-caching/, broadcasting mode).
 *
 * RESP2, redirected to itself: ioredis drops `invalidate` pushes of RESP3, and after a reconnect it would subscribe
 * again while tracking is silently off; so all three steps run on each `ready`.
 */
export function createTrackingLink(options: TrackingOptions): TrackingLink {
  const { prefix, leaseMs, pingMs, proofOfLife, provenAtMost, onInvalidate, logger } = options
  const redis = options.connect()
  const link: TrackingLink = {
    provenUntil: 0,
    open: false,
    server: '',
    revoke: () => {
      link.provenUntil = 0
    },
    reconnect,
    close,
  }
  let pings: NodeJS.Timeout | undefined
  let answeredAt = 0

  redis.on('ready', () => {
    void start().catch((error: unknown) => {
      // Any other error ends the connection, and the next one starts anew.
      if (refusalOf(error) !== undefined)
        logger?.error({ err: error }, 'cache: Redis refuses to track invalidations')
    })
  })
  redis.on('close', closed)
  redis.on('messageBuffer', (_channel: Buffer, keys: unknown) => {
    onInvalidate(Array.isArray(keys) ? keys.map(String) : null)
  })

  async function start() {
    const { id: server } = await readIdentity(redis)
    const id = await redis.client('ID')
    await redis.call('CLIENT', 'TRACKING', 'ON', 'REDIRECT', String(id), 'BCAST', 'PREFIX', prefix)
    await redis.subscribe(CHANNEL)
    link.open = true
    link.server = server
    answeredAt = performance.now()
    if (!proofOfLife) link.provenUntil = Number.POSITIVE_INFINITY
    prove()
    clearInterval(pings)
    pings = setInterval(prove, pingMs)
    options.onOpen()
  }

  /** The answer proves that every invalidation before the PING has been read: both arrive in one stream. */
  function prove() {
    const sentAt = performance.now()
    if (sentAt - answeredAt > DEAD_AFTER_MS) return reconnect()
    redis.ping().then(
      () => {
        answeredAt = performance.now()
        if (link.open && proofOfLife) link.provenUntil = Math.min(sentAt + leaseMs, provenAtMost(link.server))
      },
      () => {},
    )
  }

  function closed() {
    clearInterval(pings)
    if (!link.open) return
    link.open = false
    link.provenUntil = 0
    options.onClosed()
  }

  function reconnect() {
    closed()
    redis.disconnect(true)
  }

  function close() {
    closed()
    redis.disconnect()
  }

  return link
}
