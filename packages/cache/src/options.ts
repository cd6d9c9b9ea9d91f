import type { Registry } from '@prometheus-io/client'
import { invalidOption } from './errors.ts'
import type { Logger } from './logger.ts'
import type { OutboxStore } from './outbox-store.ts'
import { ALL_SAFEGUARDS, type Safeguards } from './safeguards.ts'

/** What TLS with Redis needs besides the trust in public authorities. All of it in PEM. */
export interface RedisCertificates {
  /** The only authorities that are trusted; without it those of Node, and of NODE_EXTRA_CA_CERTS. */
  readonly ca?: string
  /** For a Redis that asks its clients for a certificate (`tls-auth-clients`). */
  readonly certificate?: string
  readonly key?: string
}

export type RedisTarget =
  | {
      kind: 'single'
      url: string
      /** Certificates for `rediss://`. */
      tls?: RedisCertificates
    }
  | {
      kind: 'cluster'
      nodes: readonly { host: string; port: number }[]
      username?: string
      password?: string
      /** Present: connections to every node use TLS. */
      tls?: RedisCertificates
    }

export interface CacheOptions {
  /** Without it there is tier 1 alone, which then keeps a value for 5 s at most. */
  redis?: RedisTarget | undefined
  /** First part of every key in Redis, before the answer of `installation`. Default none. */
  prefix?: string | undefined
  /**
   * Names the installation whose rows are cached, as a part of every key: two databases on one Redis must not share values,
   * nor may a database read the values of one that it has replaced. Until it has answered, and when it rejects, neither tier
   * is used. It is asked again every `checkMs`, since the answer may change.
   */
  installation?: (() => Promise<string>) | undefined
  l1?:
    | { enabled?: boolean | undefined; maxEntries?: number | undefined; maxBytes?: number | undefined }
    | undefined
  l2?:
    | {
        enabled?: boolean | undefined
        /** Time limit of one Redis call; after it the reader goes to its loader. Default 50. */
        timeoutMs?: number | undefined
        autoPipelining?: boolean | undefined
      }
    | undefined
  outbox?: OutboxStore | undefined
  /** How long after its last proof a tracking link counts as alive. Default 100. */
  trackingLeaseMs?: number | undefined
  /** After this time without a read a tracking link proves less often, until the next read. Default 10,000. */
  trackingIdleMs?: number | undefined
  /** How often the outbox is searched for rows that a dead process has left. Default 500. */
  outboxPollMs?: number | undefined
  /** How often the installation and the registration of the cache are checked. Default 5000. */
  checkMs?: number | undefined
  registry?: Registry | undefined
  logger?: Logger | undefined
}

export type Settings = ReturnType<typeof resolveOptions>

/**
 * Options with their defaults.
 *
 * @param safeguards all of them, except in tests
 * @throws AppError CACHE_OPTION_INVALID
 */
export function resolveOptions(options: CacheOptions, safeguards: Readonly<Safeguards> = ALL_SAFEGUARDS) {
  const { redis, prefix = '', l1 = {}, l2 = {} } = options
  const { maxEntries = 10_000, maxBytes = 64 * 1024 * 1024 } = l1
  const { timeoutMs = 50, autoPipelining = true } = l2
  const { trackingLeaseMs = 100, trackingIdleMs = 10_000, outboxPollMs = 500, checkMs = 5_000 } = options
  // A brace would be taken for the hash tag that a value shares with its lease.
  if (!/^([A-Za-z0-9][A-Za-z0-9_.:-]*)?$/.test(prefix)) {
    throw invalidOption(`prefix must be letters, digits and _.:- only; got "${prefix}"`)
  }
  const positive = { maxEntries, maxBytes, timeoutMs, trackingLeaseMs, trackingIdleMs, outboxPollMs, checkMs }
  for (const [name, value] of Object.entries(positive)) {
    if (!(Number.isFinite(value) && value > 0)) {
      throw invalidOption(`${name} must be a positive number; got ${value}`)
    }
  }
  return {
    ...positive,
    redis,
    prefix,
    autoPipelining,
    safeguards,
    installation: options.installation,
    l1Enabled: l1.enabled ?? true,
    l2Enabled: (l2.enabled ?? true) && redis !== undefined,
    outbox: safeguards.outbox ? options.outbox : undefined,
    registry: options.registry,
    logger: options.logger,
  }
}
