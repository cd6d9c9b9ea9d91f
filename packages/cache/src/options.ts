import type { Registry } from 'prom-client'
import { invalidOption } from './errors.ts'
import type { OutboxStore } from './outbox.ts'

export type RedisTarget =
  | { kind: 'single'; url: string }
  | {
      kind: 'cluster'
      nodes: readonly { host: string; port: number }[]
      username?: string
      password?: string
    }

/** The part of pino's interface that is used. */
export type Logger = {
  info(fields: object, message: string): void
  warn(fields: object, message: string): void
  error(fields: object, message: string): void
}

/** What can be switched off, only to show in a test what it is for. */
export type Safeguard = 'leases' | 'tracking' | 'proofOfLife' | 'outbox' | 'writeProof' | 'serverIdentity'

export type CacheOptions = {
  /** Without it there is tier 1 alone, which then keeps a value for 5 s at most. */
  redis?: RedisTarget | undefined
  /** What every key in Redis begins with, before what `installation` says. None by default. */
  prefix?: string | undefined
  /**
   * Says which installation's rows are cached, as a part of every key: two databases on one Redis must not meet, nor one that
   * has taken the place of another. While it is not known, or rejects, neither tier is used; it is asked again as long as the
   * cache is open, since the answer may change.
   */
  installation?: (() => Promise<string>) | undefined
  l1?:
    | { enabled?: boolean | undefined; maxEntries?: number | undefined; maxBytes?: number | undefined }
    | undefined
  l2?:
    | {
        enabled?: boolean | undefined
        /** What one call of Redis may take before the reader goes to its loader. Default 50. */
        timeoutMs?: number | undefined
        autoPipelining?: boolean | undefined
      }
    | undefined
  outbox?: OutboxStore | undefined
  /** How long after its last proof a tracking link counts as alive. Default 100. */
  trackingLeaseMs?: number | undefined
  /** How often the outbox is looked through for what a dead process has left. Default 500. */
  outboxPollMs?: number | undefined
  /** How often the installation and the registration of the cache are looked at. Default 5000. */
  checkMs?: number | undefined
  registry?: Registry | undefined
  logger?: Logger | undefined
  /** For tests only. */
  without?: readonly Safeguard[] | undefined
}

export type Settings = ReturnType<typeof resolveOptions>

/** Options with their defaults, checked. */
export function resolveOptions(options: CacheOptions) {
  const settings = {
    redis: options.redis,
    prefix: options.prefix ?? '',
    installation: options.installation,
    l1Enabled: options.l1?.enabled ?? true,
    maxEntries: options.l1?.maxEntries ?? 10_000,
    maxBytes: options.l1?.maxBytes ?? 64 * 1024 * 1024,
    l2Enabled: (options.l2?.enabled ?? true) && options.redis !== undefined,
    timeoutMs: options.l2?.timeoutMs ?? 50,
    autoPipelining: options.l2?.autoPipelining ?? true,
    outbox: options.without?.includes('outbox') ? undefined : options.outbox,
    trackingLeaseMs: options.trackingLeaseMs ?? 100,
    outboxPollMs: options.outboxPollMs ?? 500,
    checkMs: options.checkMs ?? 5_000,
    registry: options.registry,
    logger: options.logger,
    leases: !options.without?.includes('leases'),
    tracking: !options.without?.includes('tracking'),
    proofOfLife: !options.without?.includes('proofOfLife'),
    writeProof: !options.without?.includes('writeProof'),
    serverIdentity: !options.without?.includes('serverIdentity'),
  }
  // A brace would be taken for the hash tag that a value shares with its lease.
  if (!/^([A-Za-z0-9][A-Za-z0-9_.:-]*)?$/.test(settings.prefix)) {
    throw invalidOption(`prefix must be letters, digits and _.:- only; got "${settings.prefix}"`)
  }
  const positive = [
    'maxEntries',
    'maxBytes',
    'timeoutMs',
    'trackingLeaseMs',
    'outboxPollMs',
    'checkMs',
  ] as const
  for (const name of positive) {
    if (!(Number.isFinite(settings[name]) && settings[name] > 0)) {
      throw invalidOption(`${name} must be a positive number; got ${settings[name]}`)
    }
  }
  return settings
}
