import { performance } from 'node:perf_hooks'
import type { Redis } from 'ioredis'
import type { Logger } from './options.ts'

/**
 * Proof of life: what tier 1 asks at each hit. `provenUntil` is on this process's monotonic clock (`performance.now()`);
 * a hit counts only before it. A link that is closed proves nothing.
 */
export type Proof = { provenUntil: number }

export type TrackingLink = Proof & { open: boolean; close(): void }

type TrackingOptions = {
  connect: () => Redis
  prefix: string
  leaseMs: number
  pingMs: number
  /** Off in the tests that show what the proof is for: an open link then counts as alive. */
  proofOfLife: boolean
  /** The keys that were changed, removed, expired or evicted by anyone; null: all of them. */
  onInvalidate: (keys: readonly string[] | null) => void
  onClosed: () => void
  logger: Logger | undefined
}

const CHANNEL = '__redis__:invalidate'
const DEAD_AFTER_MS = 1_000

/**
 * Server-assisted invalidation from one master: Redis itself tells this process which keys changed
 * (https://redis.io/docs/latest/develop/reference/client-side-caching/, broadcasting mode).
 *
 * RESP2, redirected to itself: ioredis drops `invalidate` pushes of RESP3, and after a reconnect it would subscribe
 * again while tracking is silently off; so all three steps run on each `ready`.
 */
export function createTrackingLink(options: TrackingOptions): TrackingLink {
  const { prefix, leaseMs, pingMs, proofOfLife, onInvalidate, onClosed, logger } = options
  const redis = options.connect()
  const link: TrackingLink = { provenUntil: 0, open: false, close }
  let pings: NodeJS.Timeout | undefined
  let answeredAt = 0

  redis.on('ready', () => {
    void start().catch((error: unknown) => {
      if (redis.status === 'ready')
        logger?.error({ err: error }, 'cache: Redis refuses to track invalidations')
    })
  })
  redis.on('close', closed)
  redis.on('messageBuffer', (_channel: Buffer, keys: unknown) => {
    onInvalidate(Array.isArray(keys) ? keys.map(String) : null)
  })

  async function start() {
    const id = await redis.client('ID')
    await redis.call('CLIENT', 'TRACKING', 'ON', 'REDIRECT', String(id), 'BCAST', 'PREFIX', prefix)
    await redis.subscribe(CHANNEL)
    link.open = true
    answeredAt = performance.now()
    if (!proofOfLife) link.provenUntil = Number.POSITIVE_INFINITY
    prove()
    clearInterval(pings)
    pings = setInterval(prove, pingMs)
  }

  /** The answer proves that every invalidation before the PING was sent has been read: they come in one stream. */
  function prove() {
    const sentAt = performance.now()
    if (sentAt - answeredAt > DEAD_AFTER_MS) {
      closed()
      return redis.disconnect(true)
    }
    redis.ping().then(
      () => {
        answeredAt = performance.now()
        if (link.open && proofOfLife) link.provenUntil = sentAt + leaseMs
      },
      () => {},
    )
  }

  function closed() {
    clearInterval(pings)
    if (!link.open) return
    link.open = false
    link.provenUntil = 0
    onClosed()
  }

  function close() {
    closed()
    redis.disconnect()
  }

  return link
}
