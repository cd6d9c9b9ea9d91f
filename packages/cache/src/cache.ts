import { performance } from 'node:perf_hooks'
import { invalidOption, nodeUnavailable } from './errors.ts'
import { createFlights } from './flights.ts'
import type { Generation } from './generation.ts'
import { createGeneration } from './generation.ts'
import { delay } from './limit.ts'
import { createLossLog } from './loss-log.ts'
import { registerMetrics } from './metrics.ts'
import type { Namespace, NamespaceOptions } from './namespace.ts'
import { checkNamespace, createNamespace } from './namespace.ts'
import type { RedisNode } from './node.ts'
import { createNode } from './node.ts'
import type { CacheOptions, RedisTarget } from './options.ts'
import { resolveOptions } from './options.ts'
import type { Delivery, OutboxRow } from './outbox.ts'
import { createOutbox } from './outbox.ts'
import type { NamespaceStats } from './stats.ts'
import { emptyStats } from './stats.ts'
import { createTier1 } from './tier1.ts'
import { createTier2 } from './tier2.ts'
import { createTopology } from './topology.ts'

export type CacheStats = {
  namespaces: Record<string, Readonly<NamespaceStats>>
  nodes: { id: string; usable: boolean; breakerState: number }[]
  trackingLost: number
}

export type Cache = {
  /** One kind of value. Types flow from `load`. A name can be used once. */
  namespace<K extends string | number, V>(options: NamespaceOptions<K, V>): Namespace<K, V>
  outbox: {
    /** What a write puts into its outbox, in its own transaction. */
    keysFor<K extends string | number>(
      namespace: Pick<Namespace<K, unknown>, 'keyOf'>,
      ids: readonly K[],
    ): string[]
  }
  /**
   * Right after the commit and before the answer: removes the keys everywhere, trying for up to 250 ms. Rows (with their
   * ids) are cleared from the outbox then. Never rejects: what is undelivered stays in the outbox for the poller.
   */
  deliver(rows: readonly (OutboxRow | string)[]): Promise<Delivery>
  /** A PING to every Redis in use; rejects when one does not answer. Resolves at once without Redis. */
  ready(signal?: AbortSignal): Promise<void>
  /** True once both tiers can be used on every node, false when that did not come within `limitMs`. */
  whenUsable(limitMs: number): Promise<boolean>
  stats(): CacheStats
  /** Stops delivery and closes every connection. */
  close(): Promise<void>
}

/**
 * A cache of two tiers, this process's memory and Redis, that stays coherent across processes and never makes a request
 * fail: without Redis, or while it does not answer, reads go to their loader. How it stays correct is told where it is
 * done: lease.ts, tracking.ts, outbox.ts, node.ts.
 *
 * Returns at once; connections are made in the background.
 *
 * @throws CacheError CACHE_OPTION_INVALID
 */
export function createCache(options: CacheOptions = {}): Cache {
  const settings = resolveOptions(options)
  const { prefix, logger, timeoutMs } = settings
  const tier1 = settings.l1Enabled ? createTier1(settings) : undefined
  const flights = createFlights()
  const namespaces = new Map<string, { stats: NamespaceStats; prefix: string; generationKey: string }>()
  const generations = new Map<string, Generation>()
  const forgetAllOf = new Map<string, () => void>()
  let trackingLost = 0

  const redis = settings.redis && connect(settings.redis)
  const outbox = createOutbox({
    store: settings.outbox,
    invalidate: async (keys, limitMs) => {
      const ours = keys.filter((key) => key.startsWith(prefix))
      const done = redis ? await redis.tier2.invalidate(ours, limitMs) : { applied: ours, acknowledged: ours }
      // A row that is none of ours would stay in the outbox for ever.
      const foreign = keys.filter((key) => !key.startsWith(prefix))
      return { applied: [...done.applied, ...foreign], acknowledged: [...done.acknowledged, ...foreign] }
    },
    timeoutMs,
    pollMs: settings.outboxPollMs,
    logger,
  })
  const observeLoad =
    settings.registry &&
    registerMetrics(settings.registry, {
      namespaces: () => [...namespaces].map(([name, { stats }]) => [name, stats]),
      nodes: redis && nodes,
      trackingLost: () => trackingLost,
      outboxStatus: settings.outbox?.status,
    })
  const unreached = { id: 'unknown', usable: false, fault: 'no node of the Cluster could be reached' }
  const endLossLog =
    redis && logger && createLossLog(logger, () => (nodes().length === 0 ? [unreached] : nodes()))
  if (settings.redis === undefined) logger?.info({}, 'cache: no Redis is set; tier 2 is off')

  return {
    namespace,
    outbox: { keysFor: (namespace, ids) => ids.map((id) => namespace.keyOf(id)) },
    deliver,
    async ready(signal) {
      signal?.throwIfAborted()
      if (redis === undefined) return
      if (nodes().length === 0) throw nodeUnavailable('cluster')
      await Promise.all(nodes().map((node) => node.ping()))
    },
    async whenUsable(limitMs) {
      const isUsable = () =>
        nodes().length > 0 &&
        nodes().every(({ usable, link }) => usable && link.provenUntil > performance.now())
      for (const until = Date.now() + limitMs; redis !== undefined && !isUsable(); await delay(5)) {
        if (Date.now() > until) return false
      }
      return redis !== undefined
    },
    stats: () => ({
      namespaces: Object.fromEntries([...namespaces].map(([name, { stats }]) => [name, { ...stats }])),
      nodes: nodes().map(({ id, usable, breakerState }) => ({ id, usable, breakerState })),
      trackingLost,
    }),
    async close() {
      endLossLog?.()
      await outbox.close()
      redis?.topology.close()
      tier1?.clear()
    },
  }

  function namespace<K extends string | number, V>(of: NamespaceOptions<K, V>): Namespace<K, V> {
    checkNamespace(of)
    if (namespaces.has(of.name)) throw invalidOption(`the namespace "${of.name}" exists already`)
    const own = {
      stats: emptyStats(),
      prefix: `${prefix}${of.name}:${of.version}:{`,
      generationKey: `${prefix}${of.name}:${of.version}:generation`,
    }
    const generation =
      redis && createGeneration(own.generationKey, redis.tier2, redis.topology, redis.drainUsable)
    const forgetAll = () => {
      generation?.forget()
      tier1?.deleteAll(own.prefix)
      flights.unproven(own.prefix)
    }
    namespaces.set(of.name, own)
    forgetAllOf.set(own.generationKey, forgetAll)
    if (generation) generations.set(own.generationKey, generation)
    return createNamespace(of, {
      prefix,
      tier1,
      redis: redis && generation && { ...redis, generation },
      l2Enabled: settings.l2Enabled,
      leases: settings.leases,
      joinMs: settings.trackingLeaseMs,
      flights,
      stats: own.stats,
      deliver,
      forgetAll,
      onLoad: (seconds) => observeLoad?.(of.name, seconds),
    })
  }

  function deliver(rows: readonly (OutboxRow | string)[]): Promise<Delivery> {
    for (const row of rows) {
      const key = typeof row === 'string' ? row : row.key
      changed(key)
      const name = key.slice(prefix.length, key.indexOf(':', prefix.length))
      const own = namespaces.get(name)
      if (own !== undefined) own.stats.invalidations++
    }
    return outbox.deliver(rows)
  }

  /** A key was changed by somebody, this process included. */
  function changed(key: string) {
    tier1?.delete(key)
    flights.invalidated(key)
    forgetAllOf.get(key)?.()
  }

  function onInvalidate(keys: readonly string[] | null) {
    if (keys !== null) return keys.forEach(changed)
    tier1?.clear()
    for (const forgetAll of forgetAllOf.values()) forgetAll()
  }

  /** Whatever tier 1 holds, its invalidation may have been missed. */
  function flush() {
    tier1?.clear()
    flights.unproven()
    for (const generation of generations.values()) generation.forget()
  }

  function connect(target: RedisTarget) {
    const topology = createTopology(
      target,
      (id, redisOptions, cluster) =>
        createNode({
          id,
          redisOptions,
          settings,
          cluster,
          drain: (node) => outbox.drain((key) => isOwnedBy(node, key)),
          onInvalidate,
          onTrackingLost: () => {
            trackingLost++
            flush()
          },
          onUnusable: () => void topology.refresh(),
        }),
      flush,
    )
    const isOwnedBy = (node: RedisNode, key: string) => (topology.findOwner(key) ?? node) === node
    const drainUsable = () => outbox.drain((key) => topology.findOwner(key)?.usable === true)
    return { topology, drainUsable, tier2: createTier2(topology, prefix, timeoutMs, settings.autoPipelining) }
  }

  function nodes(): RedisNode[] {
    return redis?.topology.nodes() ?? []
  }
}
