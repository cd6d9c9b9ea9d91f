import { Counter, Gauge, Histogram, type Registry } from 'prom-client'

export type Outcome = 'ok' | 'absent' | 'aborted' | 'suspended' | 'timeout' | 'error'

export interface UpstreamMetrics {
  finished(outcome: Outcome, seconds: number): void
  retried(): void
  shared(): void
}

export function createUpstreamMetrics(registry: Registry, isSuspended: () => boolean): UpstreamMetrics {
  const registers = [registry]
  const duration = new Histogram({
    name: 'upstream_request_duration_seconds',
    help: 'Calls to the upstream, retries included, by outcome',
    labelNames: ['outcome'],
    buckets: [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5],
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
    help: '1 while the breaker keeps calls from the upstream',
    registers,
    collect() {
      this.set(isSuspended() ? 1 : 0)
    },
  })
  return {
    finished: (outcome, seconds) => duration.observe({ outcome }, seconds),
    retried: () => retries.inc(),
    shared: () => shared.inc(),
  }
}
