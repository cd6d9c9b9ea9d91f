import { Coherence } from './coherence.ts'
import { LocalCopies } from './local-copies.ts'
import { createLossLog } from './loss-log.ts'
import { registerMetrics } from './metrics.ts'
import type { Namespace, NamespaceOptions } from './namespace.ts'
import { CacheNamespace, checkNamespace } from './namespace.ts'
import type { CacheOptions, Settings } from './options.ts'
import { resolveOptions } from './options.ts'
import type { Delivery } from './outbox.ts'
import type { OutboxRow } from './outbox-store.ts'
import type { SharedCounts } from './shared-counts.ts'
import type { NamespaceStats } from './stats.ts'

export interface CacheStats {
  namespaces: Record<string, Readonly<NamespaceStats>>
  /** `breakerState` is the `CircuitState` of cockatiel: 0 closed, 1 open, 2 half open, 3 isolated. */
  nodes: { id: string; usable: boolean; breakerState: number }[]
  /** How often a tracking link was closed. */
  trackingLost: number
}

export interface Cache {
  /** Adds a namespace: one kind of value. Its types are inferred from `load`. A name can be used once. */
  namespace<K extends string | number, V>(options: NamespaceOptions<K, V>): Namespace<K, V>
  /**
   * Removes the keys of a write from this process and its Redis, and tries again for up to 250 ms. Call it after the commit and
   * before the response. Never rejects: the rows of undelivered keys, and of other caches, stay in the outbox, where a poller
   * of any process that uses the cache finds them.
   *
   * @param rows the outbox rows that the write has inserted; the rows for this Redis are cleared once their keys are removed
   */
  deliver(keys: readonly string[], rows: readonly OutboxRow[]): Promise<Delivery>
  /**
   * Sends a PING to every Redis node. Rejects when one does not answer or refuses writes, and while the cache is not
   * registered in the database. Resolves at once without Redis.
   */
  ready(signal?: AbortSignal): Promise<void>
  /** Resolves with true once both tiers can be used on every node; with false after `limitMs`, and without Redis. */
  whenUsable(limitMs: number): Promise<boolean>
  stats(): CacheStats
  /** Counts that all processes share; undefined without Redis. */
  readonly counts: SharedCounts | undefined
  /** Stops delivery and closes every connection. */
  close(): Promise<void>
}

/**
 * A cache of two tiers, this process's memory and Redis, that stays coherent across processes and never makes a request
 * fail: without Redis, or while it does not answer, reads go to their loader. README.md lists what keeps it correct.
 *
 * Returns at once; connections are made in the background.
 *
 * @throws AppError CACHE_OPTION_INVALID
 */
export function createCache(options: CacheOptions = {}): Cache {
  return composeCache(resolveOptions(options))
}

/** The cache for resolved options. */
export function composeCache(settings: Settings): Cache {
  const { registry, logger, outbox: store } = settings
  const local = new LocalCopies(settings)
  const coherence = new Coherence(settings, local)
  const { redis } = coherence
  const trackingLost = () => redis?.trackingLost ?? 0
  const observeLoad =
    registry &&
    registerMetrics(registry, {
      namespaces: () => local.stats,
      nodes: redis && (() => coherence.nodes),
      trackingLost,
      outboxStatus: store?.status && (() => coherence.outboxStatus()),
    })
  const endLossLog = redis && logger && createLossLog(logger, () => coherence.seenNodes)

  return {
    namespace(options) {
      checkNamespace(options)
      const { name, ttlMs, graceMs = 0 } = options
      const own = local.add(options, ttlMs + graceMs, (key) => redis?.createGeneration(key))
      return new CacheNamespace(options, {
        settings,
        local,
        own,
        coherence,
        redis: redis &&
          own.generation && { tier2: redis.tier2, topology: redis.topology, generation: own.generation },
        onLoad: (seconds) => observeLoad?.(name, seconds),
      })
    },
    deliver: (keys, rows) => coherence.deliver(keys, rows),
    ready: (signal) => coherence.ready(signal),
    whenUsable: (limitMs) => coherence.whenUsable(limitMs),
    stats: () => ({
      namespaces: Object.fromEntries(local.stats.map(([name, stats]) => [name, { ...stats }])),
      nodes: coherence.nodes.map(({ id, usable, breakerState }) => ({ id, usable, breakerState })),
      trackingLost: trackingLost(),
    }),
    counts: redis?.counts,
    async close() {
      endLossLog?.()
      await coherence.close()
      local.tier1?.clear()
    },
  }
}
