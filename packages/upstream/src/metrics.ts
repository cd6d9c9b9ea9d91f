import { Counter, Gauge, Histogram, type Registry } from '@prometheus-io/client'

const OUTCOMES = ['ok', 'absent', 'unusable', 'aborted', 'suspended', 'timeout', 'error'] as const
export type Outcome = (typeof OUTCOMES)[number]

export interface UpstreamMetrics {
  finished(outcome: Outcome, seconds: number): void
  retried(): void
  shared(): void
}

/** @param breakerState cockatiel's: 0 closed, 1 open, 2 half-open; the same numbers as for the cache's nodes */
export function createUpstreamMetrics(registry: Registry, breakerState: () => number): UpstreamMetrics {
  const registers = [registry]
  const duration = new Histogram({
    name: 'upstream_request_duration_seconds',
    help: 'Calls to the upstream, retries included, by outcome',
    labelNames: ['outcome'],
    // Up to two attempts of 2 s and the pause between them.
    buckets: [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5],
    registers,
  })
  const retries = new Counter({
    name: 'upstream_retries_total',
    help: 'Second attempts of calls to the upstream',
    registers,
  })
  const shared = new Counter({
    name: 'upstream_shared_total',
    help: 'Calls that joined an identical one in flight',
    registers,
  })
  new Gauge({
    name: 'upstream_suspended',
    help: '1 while the breaker is open',
    registers,
    collect() {
      this.set(breakerState() === 1 ? 1 : 0)
    },
  })
  new Gauge({
    name: 'upstream_breaker_state',
    help: 'Breaker of the upstream: 0 closed, 1 open, 2 half-open',
    registers,
    collect() {
      this.set(breakerState())
    },
  })
  for (const outcome of OUTCOMES) duration.zero({ outcome })
  return {
    finished: (outcome, seconds) => duration.observe({ outcome }, seconds),
    retried: () => retries.inc(),
    shared: () => shared.inc(),
  }
}
