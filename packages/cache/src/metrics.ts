import type { Registry } from 'prom-client'
import { Counter, Gauge, Histogram } from 'prom-client'
import { withLimit } from './limit.ts'
import type { RedisNode } from './node.ts'
import type { OutboxStatus } from './outbox.ts'
import type { NamespaceStats } from './stats.ts'

type Sources = {
  namespaces: () => Iterable<[name: string, stats: NamespaceStats]>
  /** Undefined without Redis; none are known of a Cluster that was never reached. */
  nodes:
    | (() => readonly Pick<RedisNode, 'id' | 'breakerState' | 'usable' | 'refusal' | 'refusals'>[])
    | undefined
  trackingLost: () => number
  outboxStatus: (() => Promise<OutboxStatus>) | undefined
}

type CounterSource = {
  name: string
  help: string
  read: (stats: NamespaceStats) => [labels: object, total: number][]
}

const COUNTERS: CounterSource[] = [
  {
    name: 'cache_hits_total',
    help: 'Reads that a tier answered',
    read: (stats) => [
      [{ tier: 'l1' }, stats.hitsL1],
      [{ tier: 'l2' }, stats.hitsL2],
    ],
  },
  counter('cache_misses_total', 'Reads that were loaded and kept', 'misses'),
  counter('cache_off_total', 'Reads that were loaded while neither tier could be used', 'off'),
  counter('cache_stale_served_total', 'Expired values answered within their grace', 'staleServed'),
  counter('cache_loads_total', 'Calls of the loader', 'loads'),
  counter('cache_load_failures_total', 'Calls of the loader that failed or took too long', 'loadFailures'),
  counter('cache_lease_waits_total', 'Reads that waited for the load of another', 'leaseWaits'),
  counter(
    'cache_refused_fills_total',
    'Loaded values that were not stored because of a write meanwhile',
    'refusedFills',
  ),
  counter('cache_invalidations_total', 'Keys that this process has invalidated', 'invalidations'),
  counter(
    'cache_bypassed_total',
    'Tier-1 hits not used because the tracking link was not proved to be alive',
    'bypassed',
  ),
  counter('cache_undecodable_total', 'Stored bytes that did not decode', 'undecodable'),
]

/**
 * Registers the cache's metrics. The counts are kept as plain numbers and read at a scrape: a hit pays for an increment,
 * not for a look-up of labels.
 *
 * @returns what takes the seconds of a load
 */
export function registerMetrics(
  registry: Registry,
  sources: Sources,
): (namespace: string, seconds: number) => void {
  const registers = [registry]
  for (const { name, help, read } of COUNTERS) {
    const labelNames = ['namespace', 'tier']
    new Counter({
      name,
      help,
      labelNames: name === 'cache_hits_total' ? labelNames : ['namespace'],
      registers,
      collect() {
        this.reset()
        for (const [namespace, stats] of sources.namespaces()) {
          for (const [labels, total] of read(stats)) this.inc({ namespace, ...labels }, total)
        }
      },
    })
  }
  for (const [name, help, of] of [
    ['cache_entries', 'Entries in tier 1', 'entries'],
    ['cache_bytes', 'Bytes in tier 1', 'bytes'],
  ] as const) {
    new Gauge({
      name,
      help,
      labelNames: ['namespace'],
      registers,
      collect() {
        for (const [namespace, stats] of sources.namespaces()) this.set({ namespace }, stats[of])
      },
    })
  }
  const { nodes } = sources
  new Gauge({
    name: 'cache_breaker_state',
    help: 'Breaker of each Redis: 0 closed, 1 open, 2 half-open',
    labelNames: ['node'],
    registers,
    collect() {
      this.reset()
      for (const { id, breakerState } of nodes?.() ?? []) this.set({ node: id }, breakerState)
    },
  })
  new Gauge({
    name: 'cache_tier2_usable',
    help: '1 while tier 2 is read on this Redis; node="unknown" while no node of the Cluster has been reached',
    labelNames: ['node'],
    registers,
    collect() {
      this.reset()
      const known = nodes?.() ?? []
      // A tier that never came up has to be missed as one that was lost is.
      if (nodes !== undefined && known.length === 0) this.set({ node: 'unknown' }, 0)
      for (const { id, usable } of known) this.set({ node: id }, usable ? 1 : 0)
    },
  })
  new Gauge({
    name: 'cache_redis_refuses',
    help: '1 while a Redis that answers refuses what the cache needs, by the first word of its reply',
    labelNames: ['node', 'reason'],
    registers,
    collect() {
      this.reset()
      for (const { id, refusal } of nodes?.() ?? []) {
        // A series at 0 as well: without one, a dashboard could not tell a healthy node from a missing metric.
        this.set({ node: id, reason: refusal?.code ?? 'none' }, refusal === undefined ? 0 : 1)
      }
    },
  })
  new Counter({
    name: 'cache_redis_refusals_total',
    help: 'How often a Redis began to refuse what the cache needs, by the first word of its reply',
    labelNames: ['node', 'reason'],
    registers,
    collect() {
      this.reset()
      for (const { id, refusals } of nodes?.() ?? []) {
        for (const [reason, times] of refusals.byCode) this.inc({ node: id, reason }, times)
      }
    },
  })
  new Counter({
    name: 'cache_tracking_lost_total',
    help: 'Tracking links that were closed, with tier 1 flushed',
    registers,
    collect() {
      this.reset()
      this.inc(sources.trackingLost())
    },
  })
  if (sources.outboxStatus !== undefined) registerOutbox(registry, sources.outboxStatus)
  const loadSeconds = new Histogram({
    name: 'cache_load_seconds',
    help: 'Duration of the loader',
    labelNames: ['namespace'],
    buckets: [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5],
    registers,
  })
  return (namespace, seconds) => loadSeconds.observe({ namespace }, seconds)
}

/** A scrape must come back when the database does not: everything else is wanted most just then. */
const OUTBOX_LIMIT_MS = 1_000
const UNKNOWN: OutboxStatus = { count: Number.NaN, oldestSeconds: Number.NaN }

function registerOutbox(registry: Registry, read: () => Promise<OutboxStatus>): void {
  let reading: Promise<OutboxStatus> | undefined
  // Both gauges share a statement, and so do scrapes while it hangs.
  const status = () => {
    reading ??= read().finally(() => {
      reading = undefined
    })
    return withLimit(reading, OUTBOX_LIMIT_MS, () => new Error('no answer')).catch(() => UNKNOWN)
  }
  for (const [name, help, of] of [
    [
      'cache_outbox_depth',
      'Invalidations for the Redis of this process whose row is still in the outbox',
      'count',
    ],
    ['cache_outbox_oldest_seconds', 'Age of the oldest of them, 0 when there is none', 'oldestSeconds'],
  ] as const) {
    new Gauge({
      name,
      help,
      registers: [registry],
      async collect() {
        this.set((await status())[of])
      },
    })
  }
}

function counter(name: string, help: string, of: keyof NamespaceStats): CounterSource {
  return { name, help, read: (stats) => [[{}, stats[of]]] }
}
