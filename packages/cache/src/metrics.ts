import type { Registry } from '@prometheus-io/client'
import { Counter, Gauge, Histogram } from '@prometheus-io/client'
import { coalesce, withDeadline } from '@reference/async'
import type { RedisNode } from './node.ts'
import type { OutboxStatus } from './outbox-store.ts'
import type { NamespaceStats } from './stats.ts'

type Node = Pick<RedisNode, 'id' | 'breakerState' | 'usable' | 'refusal' | 'refusals'>

interface Sources {
  namespaces: () => Iterable<[name: string, stats: NamespaceStats]>
  /** Undefined without Redis; empty for a Cluster that was never reached. */
  nodes: (() => readonly Node[]) | undefined
  trackingLost: () => number
  outboxStatus: (() => Promise<OutboxStatus>) | undefined
}

type Sample = [labels: object, value: number]

const COUNTERS: readonly [name: string, help: string, stat: keyof NamespaceStats][] = [
  ['cache_misses_total', 'Reads that were loaded and kept', 'misses'],
  ['cache_off_total', 'Reads that were loaded while neither tier could be used', 'off'],
  ['cache_stale_served_total', 'Expired values answered within their grace', 'staleServed'],
  ['cache_loads_total', 'Calls of the loader', 'loads'],
  ['cache_load_failures_total', 'Calls of the loader that failed or took too long', 'loadFailures'],
  ['cache_lease_waits_total', 'Reads that waited for the load of another', 'leaseWaits'],
  [
    'cache_refused_fills_total',
    'Loaded values that were not stored because of a write meanwhile',
    'refusedFills',
  ],
  ['cache_invalidations_total', 'Keys that this process has invalidated', 'invalidations'],
  [
    'cache_bypassed_total',
    'Tier-1 hits not used because the tracking link was not proved to be alive',
    'bypassed',
  ],
  ['cache_undecodable_total', 'Stored bytes that did not decode', 'undecodable'],
]

/**
 * Registers the cache's metrics. The counts are kept as plain numbers and read at a scrape: a hit costs an increment,
 * not a look-up of labels.
 *
 * @returns takes the seconds of a load
 */
export function registerMetrics(
  registry: Registry,
  sources: Sources,
): (namespace: string, seconds: number) => void {
  registerNamespaces(registry, sources.namespaces)
  registerNodes(registry, sources)
  if (sources.outboxStatus !== undefined) registerOutbox(registry, sources.outboxStatus)
  const loadSeconds = new Histogram({
    name: 'cache_load_seconds',
    help: 'Duration of the loader',
    labelNames: ['namespace'],
    buckets: [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5],
    registers: [registry],
  })
  return (namespace, seconds) => loadSeconds.observe({ namespace }, seconds)
}

function registerNamespaces(registry: Registry, namespaces: Sources['namespaces']): void {
  const registers = [registry]
  counter(registry, 'cache_hits_total', 'Reads that a tier answered', ['namespace', 'tier'], () =>
    [...namespaces()].flatMap(([namespace, { hitsL1, hitsL2 }]): Sample[] => [
      [{ namespace, tier: 'l1' }, hitsL1],
      [{ namespace, tier: 'l2' }, hitsL2],
    ]),
  )
  for (const [name, help, stat] of COUNTERS) {
    counter(registry, name, help, ['namespace'], () =>
      [...namespaces()].map(([namespace, stats]): Sample => [{ namespace }, stats[stat]]),
    )
  }
  for (const [name, help, stat] of [
    ['cache_entries', 'Entries in tier 1', 'entries'],
    ['cache_bytes', 'Bytes in tier 1', 'bytes'],
  ] as const) {
    new Gauge({
      name,
      help,
      labelNames: ['namespace'],
      registers,
      collect() {
        for (const [namespace, stats] of namespaces()) this.set({ namespace }, stats[stat])
      },
    })
  }
}

function registerNodes(registry: Registry, { nodes, trackingLost }: Sources): void {
  const known = () => nodes?.() ?? []
  nodeGauge(registry, 'cache_breaker_state', 'Breaker of each Redis: 0 closed, 1 open, 2 half-open', [], () =>
    known().map(({ id, breakerState }) => [{ node: id }, breakerState]),
  )
  nodeGauge(
    registry,
    'cache_tier2_usable',
    '1 while tier 2 is read on this Redis; node="unknown" while no node of the Cluster has been reached',
    [],
    () => {
      // A tier that was never reached needs a series, or an alert on it could not fire.
      if (nodes !== undefined && known().length === 0) return [[{ node: 'unknown' }, 0]]
      return known().map(({ id, usable }) => [{ node: id }, usable ? 1 : 0])
    },
  )
  nodeGauge(
    registry,
    'cache_redis_refuses',
    '1 while a Redis that answers refuses what the cache needs, by the first word of its reply',
    ['reason'],
    // A series at 0 as well: without one, a dashboard could not tell a healthy node from a missing metric.
    () =>
      known().map(({ id, refusal }) => [
        { node: id, reason: refusal?.code ?? 'none' },
        refusal === undefined ? 0 : 1,
      ]),
  )
  counter(
    registry,
    'cache_redis_refusals_total',
    'How often a Redis began to refuse what the cache needs, by the first word of its reply',
    ['node', 'reason'],
    () =>
      known().flatMap(({ id, refusals }) =>
        [...refusals.byCode].map(([reason, times]): Sample => [{ node: id, reason }, times]),
      ),
  )
  counter(
    registry,
    'cache_tracking_lost_total',
    'Tracking links that were closed, with tier 1 flushed',
    [],
    () => [[{}, trackingLost()]],
  )
}

/** A scrape must return while the database does not answer: the other metrics are needed most just then. */
const OUTBOX_TIMEOUT_MS = 1_000
const UNKNOWN: OutboxStatus = { count: Number.NaN, oldestSeconds: Number.NaN }

function registerOutbox(registry: Registry, read: () => Promise<OutboxStatus>): void {
  // Both gauges share a statement, and so do scrapes while it hangs.
  const shared = coalesce(read)
  const status = () => withDeadline(() => shared(), { timeoutMs: OUTBOX_TIMEOUT_MS }).catch(() => UNKNOWN)
  for (const [name, help, field] of [
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
        this.set((await status())[field])
      },
    })
  }
}

function counter(
  registry: Registry,
  name: string,
  help: string,
  labelNames: string[],
  read: () => readonly Sample[],
): void {
  new Counter({
    name,
    help,
    labelNames,
    registers: [registry],
    collect() {
      this.reset()
      for (const [labels, total] of read()) this.inc(labels, total)
    },
  })
}

function nodeGauge(
  registry: Registry,
  name: string,
  help: string,
  labelNames: string[],
  read: () => readonly Sample[],
): void {
  new Gauge({
    name,
    help,
    labelNames: ['node', ...labelNames],
    registers: [registry],
    collect() {
      this.reset()
      for (const [labels, value] of read()) this.set(labels, value)
    },
  })
}
