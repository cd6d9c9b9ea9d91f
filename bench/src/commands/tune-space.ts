import type { ServiceName } from '@reference/shop/services'
import { startedWith } from '../proofs/process.ts'
import { answers } from '../proofs/replies.ts'
import type { Scenario, Variant } from '../run/scenario.ts'
import { type Switch, tuningSwitches } from '../run/switches.ts'
import type { Dataset } from '../stack/dataset.ts'

export interface TuneArguments {
  readonly service: ServiceName
  readonly goal: 'throughput' | 'p99'
  /** Requests a second of the open loop for p99; default: half of the initial throughput. */
  readonly rate: number | undefined
  /** Initial settings. */
  readonly from: 'shipped' | 'naive'
  readonly budgetMs: number | undefined
  readonly envFile: string | undefined
  readonly out: string | undefined
  readonly dataset: Dataset
}

export type Settings = Readonly<Record<string, string>>

/** A switch and the values to try. */
interface Candidate {
  readonly name: string
  readonly tuned: string
  readonly values: readonly string[]
}

/**
 * Switches whose price a benchmark on one machine does not show: bytes on a real network, freshness, safety, observability.
 * Tuning leaves them to a human decision.
 */
export const TRADE_OFFS: ReadonlySet<string> = new Set([
  'COMPRESSION',
  'CACHE_PAGE_TTL_MS',
  'CACHE_OUTBOX',
  'CONCURRENCY_LIMIT',
  'RESPONSE_SCHEMAS',
  'METRICS',
  'REQUEST_LOG',
])

/** Switches that have no effect on the requests of tuning. */
const WITHOUT_EFFECT: Readonly<Record<ServiceName, ReadonlySet<string>>> = {
  'reference-api': new Set(['WORKER_THREADS', 'BACKGROUND_JOBS']),
  'parallel-api': new Set([
    'WORKER_THREADS',
    'HTTP_KEEP_ALIVE',
    'CACHE_L1',
    'CACHE_L2',
    'REDIS_AUTO_PIPELINING',
  ]),
}

/** Values to try for numeric settings. */
const NUMERIC_VALUES: Readonly<Record<string, readonly string[]>> = {
  DB_POOL_MAX: ['5', '10', '20', '30', '60'],
}

/** The shipped settings, or, with `--from naive`, those of an untuned app. */
export function initialSettings({ service, from }: TuneArguments): Settings {
  if (from === 'shipped') return {}
  return Object.fromEntries(tunableSwitches(service).map(({ name, naive }) => [name, naive]))
}

/** The switches to try: caches first, because they determine the remaining work. */
export function candidates({ service }: TuneArguments): Candidate[] {
  return tunableSwitches(service)
    .map(({ name, tuned }) => ({ name, tuned, values: NUMERIC_VALUES[name] ?? ['on', 'off'] }))
    .toSorted((a, b) => Number(b.name.startsWith('CACHE')) - Number(a.name.startsWith('CACHE')))
}

function tunableSwitches(service: ServiceName): Switch[] {
  return tuningSwitches().filter(
    ({ services, name }) =>
      services.includes(service) && !TRADE_OFFS.has(name) && !WITHOUT_EFFECT[service].has(name),
  )
}

/** The scenario with `changed` as its tuned side and `base` as the other. */
export function changeScenario(
  scenario: Scenario,
  name: string,
  changed: Settings,
  base: Settings,
): Scenario {
  return {
    ...scenario,
    counted: 20,
    name: `tune: ${name}`,
    title: name,
    tuned: asVariant('changed', changed),
    variants: [{ ...asVariant('before', base), label: name }],
  }
}

function asVariant(name: string, environment: Settings): Variant {
  const proofs = Object.entries(environment).map(([key, value]) => startedWith(key, value))
  return { name, label: name, environment, proofs: [answers(200), ...proofs] }
}
