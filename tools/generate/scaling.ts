import { DEFAULT_SET } from './comparisons.ts'
import { baselinePath, type DuetResults, rateText, readBaseline, readCommitted } from './duet-results.ts'

/** Means of the boots of a variant. */
interface Summary {
  readonly throughput: number
  readonly cpuMsPerRequest: number
  readonly statements: number
  readonly commands: number
  readonly redisBytes: number
}

interface Variant {
  readonly name: string
  readonly summary: Summary
  readonly boots: readonly { readonly generatorUtilisation: number }[]
}

interface Results {
  readonly scenarios: readonly { readonly name: string; readonly variants: readonly Variant[] }[]
}

const ESTIMATE = /<!--estimate ([a-z0-9-]+)-->.*?<!--\/estimate-->/g
/** Of a core, that a replica is planned for. */
const CORE_SHARE = 0.6

/**
 * Fills in the figures of docs/SCALING.md: the text between `<!--estimate name-->` and `<!--/estimate-->`. Each is measured, or computed here from
 * measured ones, so that none is typed by hand.
 *
 * @throws Error for a name without a figure
 */
export function withEstimates(document: string): string {
  const estimates = estimatesOf()
  if (estimates === undefined) return document
  return document.replace(ESTIMATE, (_text, name: string) => {
    const value = estimates[name]
    if (value === undefined) throw new Error(`There is no estimate ${name}`)
    return `<!--estimate ${name}-->${value}<!--/estimate-->`
  })
}

/** Undefined where the benchmark was removed. */
function estimatesOf(): Readonly<Record<string, string>> | undefined {
  const [defaults, switches, scaling] = [DEFAULT_SET, baselinePath('switches'), baselinePath('scaling')].map(
    (path) => readCommitted<Results>(path),
  )
  const floor = readBaseline('floor')
  if (!defaults || !switches || !scaling || !floor) return undefined
  const { summary: hit } = variantOf(defaults, 'user-by-id', 'tuned')
  const { summary: tier2 } = variantOf(defaults, 'user-by-id', 'CACHE_L1=off')
  const { summary: page } = variantOf(defaults, 'order-page', 'CACHE_PAGE_TTL_MS=0')
  const { summary: miss } = variantOf(scaling, 'user-by-id', 'miss')
  const { summary: write } = variantOf(switches, 'user-update', 'tuned')
  const { summary: row } = variantOf(scaling, 'prepared-statements', 'tuned')
  const { summary: pooled } = variantOf(scaling, 'pgbouncer', 'DB_BATCHING=off')
  const { summary: proxied, boots } = variantOf(scaling, 'nginx', 'tuned')
  const hits = (CORE_SHARE * 1000) / hit.cpuMsPerRequest
  const pages = (CORE_SHARE * 1000) / page.cpuMsPerRequest
  // nginx shares its core with the generator and the databases: at most what the generator leaves.
  const generator = boots.reduce((sum, boot) => sum + boot.generatorUtilisation, 0) / boots.length
  const proxyMs = ((1 - generator) * 1000) / proxied.throughput
  const proxyPerCore = 1000 / proxyMs
  const missesPerReplica = hits / 100
  const writeMs = 0.95 * hit.cpuMsPerRequest + 0.05 * write.cpuMsPerRequest
  return {
    'hit-cpu': ms(hit.cpuMsPerRequest),
    'hit-rate': rateText(hit.throughput),
    'tier2-rate': rateText(tier2.throughput),
    'tier2-commands': String(tier2.commands),
    'tier2-bytes': about(tier2.redisBytes),
    'miss-cpu': ms(miss.cpuMsPerRequest),
    'miss-statements': String(miss.statements),
    'miss-commands': String(miss.commands),
    'miss-bytes': about(miss.redisBytes),
    'page-cpu': ms(page.cpuMsPerRequest),
    'page-rate': rateText(page.throughput),
    'write-cpu': ms(write.cpuMsPerRequest),
    'write-rate': rateText(write.throughput),
    'write-statements': String(write.statements),
    'write-commands': String(write.commands),
    'row-rate': rateText(row.throughput),
    'pooled-rate': rateText(pooled.throughput),
    'proxy-cpu': ms(proxyMs),
    'proxied-rate': rateText(proxied.throughput),
    'generator-share': generator.toFixed(2),
    'start-time': `${(startOf(floor) / 1000).toFixed(1)} s`,
    'hits-a-replica': about(hits),
    'pages-a-replica': about(pages),
    'hits-of-10': about(10 * hits),
    'hits-of-100': about(100 * hits),
    'replicas-a-proxy-core': (proxyPerCore / hits).toFixed(1),
    'requests-of-2-proxy-cores': about(2 * proxyPerCore),
    'replicas-of-2-proxy-cores': ((2 * proxyPerCore) / hits).toFixed(1),
    'replicas-of-pages-of-2-proxy-cores': about((2 * proxyPerCore) / pages),
    'misses-a-replica': about(missesPerReplica),
    'replicas-a-pooler': about(pooled.throughput / missesPerReplica),
    'replicas-of-postgres': about(row.throughput / missesPerReplica),
    'writes-of-10': about((10 * 0.05 * CORE_SHARE * 1000) / writeMs),
  }
}

function variantOf({ scenarios }: Results, scenario: string, variant: string): Variant {
  const found = scenarios.find(({ name }) => name === scenario)?.variants.find(({ name }) => name === variant)
  if (found === undefined) throw new Error(`No committed run has ${scenario} / ${variant}`)
  return found
}

function startOf({ starts }: DuetResults): number {
  const ours = starts.find(({ label }) => label.startsWith('ours, as built'))
  if (ours === undefined) throw new Error('No committed run has the start of the built service')
  return ours.startMs
}

/** 0.02564 → `0.026 ms` */
function ms(value: number): string {
  return `${value.toPrecision(2)} ms`
}

/** Two digits: 23401 → `23,000` */
function about(value: number): string {
  return Number(value.toPrecision(2)).toLocaleString('en')
}
