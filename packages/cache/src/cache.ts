import { createChecks } from './checks.ts'
import { invalidOption, nodeRefuses, notAdmitted } from './errors.ts'
import { createFlights } from './flights.ts'
import type { Generation } from './generation.ts'
import { createGeneration } from './generation.ts'
import { isKey, namespaceOf, namespacePrefix, prefixOf } from './keys.ts'
import { delay } from './limit.ts'
import { createLossLog } from './loss-log.ts'
import { registerMetrics } from './metrics.ts'
import type { Namespace, NamespaceOptions } from './namespace.ts'
import { checkNamespace, createNamespace } from './namespace.ts'
import type { CacheOptions } from './options.ts'
import { resolveOptions } from './options.ts'
import type { Delivery, OutboxRow, OutboxStatus } from './outbox.ts'
import { createOutbox } from './outbox.ts'
import { RedisConnection } from './redis-connection.ts'
import type { NamespaceStats } from './stats.ts'
import { emptyStats } from './stats.ts'
import { createTier1 } from './tier1.ts'

export type CacheStats = {
  namespaces: Record<string, Readonly<NamespaceStats>>
  nodes: { id: string; usable: boolean; breakerState: number }[]
  trackingLost: number
}

export type Cache = {
  /** One kind of value. Types flow from `load`. A name can be used once. */
  namespace<K extends string | number, V>(options: NamespaceOptions<K, V>): Namespace<K, V>
  outbox: {
    /** What a write puts into its outbox, in its own transaction; `keyOf` gives the same without a cache. */
    keysFor<K extends string | number>(
      namespace: Pick<Namespace<K, unknown>, 'keyOf'>,
      ids: readonly K[],
    ): string[]
  }
  /**
   * Right after the commit and before the answer: removes the keys from this process and its Redis, trying for up to 250 ms.
   * The outbox rows for this Redis are cleared then. Never rejects: what is undelivered stays in the outbox for the poller,
   * as do the rows for other caches.
   */
  deliver(keys: readonly string[], rows?: readonly OutboxRow[]): Promise<Delivery>
  /** A PING to every Redis in use; rejects when one does not answer, or refuses writes. Resolves at once without Redis. */
  ready(signal?: AbortSignal): Promise<void>
  /** True once both tiers can be used on every node, false when that did not come within `limitMs`. */
  whenUsable(limitMs: number): Promise<boolean>
  stats(): CacheStats
  /** Stops delivery and closes every connection. */
  close(): Promise<void>
}

const EXPIRE_EVERY_CHECKS = 12
/** A cache that stays registered for a while after its last process finds its values when one comes back. */
const LEAST_KEPT_MS = 3_600_000
const UNKNOWN_STATUS: OutboxStatus = { count: Number.NaN, oldestSeconds: Number.NaN }

/**
 * A cache of two tiers, this process's memory and Redis, that stays coherent across processes and never makes a request
 * fail: without Redis, or while it does not answer, reads go to their loader. How it stays correct is told where it is
 * done: lease.ts, tracking.ts, outbox.ts, admission.ts, node.ts.
 *
 * Returns at once; connections are made in the background.
 *
 * @throws CacheError CACHE_OPTION_INVALID
 */
export function createCache(options: CacheOptions = {}): Cache {
  const settings = resolveOptions(options)
  const { logger, timeoutMs, outbox: store } = settings
  const tier1 = settings.l1Enabled ? createTier1(settings) : undefined
  const flights = createFlights()
  const namespaces = new Map<string, { stats: NamespaceStats }>()
  const generations = new Map<string, Generation>()
  const forgetAllOf = new Map<string, () => void>()
  const closing = new AbortController()
  let longestMs = 0
  let trackingLost = 0

  const redis: RedisConnection | undefined =
    settings.redis &&
    new RedisConnection({
      target: settings.redis,
      settings,
      store,
      keepMs,
      drain: (owned) => outbox.drain(owned),
      onInvalidate,
      onTrackingLost: () => {
        trackingLost++
        flush()
      },
      flush,
    })
  const outbox = createOutbox({
    store,
    cacheId: () => redis?.admission.id,
    invalidate: async (keys, limitMs) => {
      const ours = keys.filter(isKey)
      const done = redis ? await redis.invalidate(ours, limitMs) : { applied: ours, acknowledged: ours }
      // A row that is none of ours would stay in the outbox for ever.
      const foreign = keys.filter((key) => !isKey(key))
      return { applied: [...done.applied, ...foreign], acknowledged: [...done.acknowledged, ...foreign] }
    },
    timeoutMs,
    pollMs: settings.outboxPollMs,
    onStoreFailure: () => checks?.soon(),
    logger,
  })
  const observeLoad =
    settings.registry &&
    registerMetrics(settings.registry, {
      namespaces: () => [...namespaces].map(([name, { stats }]) => [name, stats]),
      nodes: redis && nodes,
      trackingLost: () => trackingLost,
      outboxStatus: store?.status && outboxStatus,
    })
  const endLossLog = redis && logger && createLossLog(logger, seenNodes)
  if (redis === undefined) logger?.info({}, 'cache: no Redis is set; tier 2 is off')
  else if (settings.installation === undefined) redis.use(prefixOf(settings.prefix))
  let checksDone = 0
  const checks = (redis || store) && createChecks(check, { everyMs: settings.checkMs, logger })

  return {
    namespace,
    outbox: { keysFor: (namespace, ids) => ids.map((id) => namespace.keyOf(id)) },
    deliver,
    async ready(signal) {
      signal?.throwIfAborted()
      if (redis === undefined) return
      for (const { id, refusal } of nodes()) {
        if (refusal !== undefined) throw nodeRefuses(id, `${refusal.code}: ${refusal.reason}`)
      }
      await Promise.all(nodes().map((node) => node.ping()))
      if (redis.reason !== undefined) throw notAdmitted(redis.reason)
    },
    async whenUsable(limitMs) {
      for (const until = Date.now() + limitMs; redis !== undefined && !redis.usable; await delay(5)) {
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
      closing.abort()
      endLossLog?.()
      await checks?.close()
      await outbox.close()
      redis?.close()
      tier1?.clear()
    },
  }

  function namespace<K extends string | number, V>(of: NamespaceOptions<K, V>): Namespace<K, V> {
    checkNamespace(of)
    if (namespaces.has(of.name)) throw invalidOption(`the namespace "${of.name}" exists already`)
    const own = { stats: emptyStats() }
    const generationKey = `${namespacePrefix(of)}generation`
    const generation =
      redis &&
      createGeneration(
        generationKey,
        { tier2: redis.tier2, topology: redis.topology, drain: () => redis.drainUsable() },
        settings.serverIdentity ? redis.topology.identity : () => '',
      )
    const forgetAll = () => {
      generation?.forget()
      tier1?.deleteAll(`${namespacePrefix(of)}{`)
      flights.unproven(`${namespacePrefix(of)}{`)
    }
    longestMs = Math.max(longestMs, of.ttlMs + (of.graceMs ?? 0))
    namespaces.set(of.name, own)
    forgetAllOf.set(generationKey, forgetAll)
    if (generation) generations.set(generationKey, generation)
    return createNamespace(of, {
      tier1,
      redis: redis && generation && { tier2: redis.tier2, topology: redis.topology, generation },
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

  function deliver(keys: readonly string[], rows: readonly OutboxRow[] = []): Promise<Delivery> {
    for (const key of keys) {
      changed(key)
      const own = namespaces.get(namespaceOf(key))
      if (own !== undefined) own.stats.invalidations++
    }
    return outbox.deliver(keys, rows)
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

  /**
   * The database may be replaced while this process runs, and its registration may be gone. Processes without Redis remove
   * what has expired, too: they may be the last ones of the installation.
   */
  async function check() {
    if (redis !== undefined) {
      if (settings.installation !== undefined)
        redis.use(prefixOf(settings.prefix, await settings.installation()))
      await redis.admission.touch()
      await redis.admission.verify()
    }
    checksDone++
    if (checksDone % EXPIRE_EVERY_CHECKS === 0) await store?.expire(closing.signal)
  }

  /** As long as anything may live in Redis, twice: half of it is for reading, see admission.ts. */
  function keepMs() {
    return Math.max(LEAST_KEPT_MS, 2 * longestMs)
  }

  async function outboxStatus(): Promise<OutboxStatus> {
    if (redis === undefined || store?.status === undefined) return { count: 0, oldestSeconds: 0 }
    const { id } = redis.admission
    return id === undefined ? UNKNOWN_STATUS : store.status(id)
  }

  function seenNodes() {
    const reason = redis?.reason
    const known = nodes().map(({ id, usable, fault, refusal, refusals }) => {
      return { id, usable, fault: fault ?? reason, refusal, refusals }
    })
    return known.length > 0 ? known : [{ id: 'unknown', usable: false, fault: reason }]
  }

  function nodes() {
    return redis?.nodes() ?? []
  }
}
