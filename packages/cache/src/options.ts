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
export type Safeguard = 'leases' | 'tracking' | 'proofOfLife' | 'outbox'

export type CacheOptions = {
  /** Without it there is tier 1 alone, which then keeps a value for 5 s at most. */
  redis?: RedisTarget | undefined
  /** The tracked prefix of every value's key. Default `c:`; leases lie under `l:`. */
  prefix?: string | undefined
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
    prefix: options.prefix ?? 'c:',
    l1Enabled: options.l1?.enabled ?? true,
    maxEntries: options.l1?.maxEntries ?? 10_000,
    maxBytes: options.l1?.maxBytes ?? 64 * 1024 * 1024,
    l2Enabled: (options.l2?.enabled ?? true) && options.redis !== undefined,
    timeoutMs: options.l2?.timeoutMs ?? 50,
    autoPipelining: options.l2?.autoPipelining ?? true,
    outbox: options.without?.includes('outbox') ? undefined : options.outbox,
    trackingLeaseMs: options.trackingLeaseMs ?? 100,
    outboxPollMs: options.outboxPollMs ?? 500,
    registry: options.registry,
    logger: options.logger,
    leases: !options.without?.includes('leases'),
    tracking: !options.without?.includes('tracking'),
    proofOfLife: !options.without?.includes('proofOfLife'),
  }
  if (!/^[a-z][a-z0-9-]*:$/.test(settings.prefix) || settings.prefix === 'l:') {
    throw invalidOption(`prefix must be letters and a colon, and not "l:"; got "${settings.prefix}"`)
  }
  for (const name of ['maxEntries', 'maxBytes', 'timeoutMs', 'trackingLeaseMs', 'outboxPollMs'] as const) {
    if (!(Number.isFinite(settings[name]) && settings[name] > 0)) {
      throw invalidOption(`${name} must be a positive number; got ${settings[name]}`)
    }
  }
  return settings
}
