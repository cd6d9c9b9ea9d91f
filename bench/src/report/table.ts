import { alignColumns, number, times } from './format.ts'
import type { ComparisonResult, Results, ScenarioResult, VariantResult } from './schema.ts'

/** The results as a table for a terminal. */
export function renderTable(results: Results): string {
  return results.scenarios.map(renderScenario).join('\n')
}

const COLUMNS = [
  '',
  'requests/s',
  'p50 ms',
  'p99 ms',
  'p99.9 ms',
  'at',
  'SQL',
  'Redis',
  'bytes',
  'CPU µs',
  'at the fixed rate',
  'RSS MB',
]

function renderScenario(scenario: ScenarioResult): string {
  const { title, name, connections, variants, comparisons, refused, notRun } = scenario
  const head = `${title} (${name}, ${connections} caller${connections === 1 ? '' : 's'})`
  if (notRun !== undefined) return `${head}\n  not run: ${notRun}\n`
  if (refused !== undefined) return `${head}\n  refused: ${refused.split('\n').join('\n  ')}\n`
  const rows = variants.map((variant) => cellsOf(variant, scenario))
  const verdicts = comparisons.map((comparison) => `  ${sentence(comparison)}\n`)
  return `${head}\n${alignColumns([COLUMNS, ...rows])}\n${verdicts.join('')}`
}

function cellsOf({ name, summary }: VariantResult, { beside }: ScenarioResult): string[] {
  const { latency } = summary
  const latencies = latency
    ? [
        ...[latency.p50, latency.p99, latency.p999].map((ms) => ms.toFixed(2)),
        `${number(latency.ratePerSecond)}/s${beside ? ' /health' : ''}`,
      ]
    : ['–', '–', '–', '–']
  return [name, number(summary.throughput), ...latencies, ...costCells(summary)]
}

/** Statements, commands, bytes, CPU and memory; dashes for figures that a deployment or a paced load does not have. */
export function costCells(summary: VariantResult['summary']): string[] {
  const { statements, commands, responseBytes, cpuMsPerRequest, cpuMsAtFixedRate, rssBytes } = summary
  const bytes = responseBytes === 0 ? '–' : number(responseBytes)
  if (rssBytes === 0) return ['–', '–', bytes, '–', '–', '–']
  return [
    ...[statements, commands].map((count) => (Number.isInteger(count) ? String(count) : count.toFixed(2))),
    bytes,
    ...[cpuMsPerRequest, cpuMsAtFixedRate].map((ms) => (ms === undefined ? '–' : number(ms * 1000))),
    (rssBytes / 1e6).toFixed(0),
  ]
}

/**
 * A comparison in words, such as `cache tier 1: 2.31× the requests/s (95 %: 2.20 to 2.43, 4 boots): better, p < 0.001`.
 */
export function sentence(comparison: ComparisonResult): string {
  const { label, effect, verdict, detectable, metric, pHolm, cpu } = comparison
  if (verdict === 'refused') return `${label}: ${withoutVerdict(comparison)}`
  const interval = `${effect.low.toFixed(2)} to ${effect.high === null ? '∞' : effect.high.toFixed(2)}`
  const what = `${label}: ${times(effect.ratio)} ${unitOf(metric)} (95 %: ${interval}, ${effect.boots} boots)${cpuText(cpu)}`
  if (verdict !== 'no difference')
    return `${what}: ${verdict}, p ${pHolm < 0.001 ? '< 0.001' : pHolm.toFixed(3)}`
  const smallest =
    detectable === null ? '' : `; ${((detectable - 1) * 100).toFixed(0)} % or more would be seen`
  return `${what}: no difference seen${smallest}`
}

/** The figure of too few boots, or why there is none. */
function withoutVerdict({ effect, metric, refused = 'no figures' }: ComparisonResult): string {
  const { boots, ratio } = effect
  if (boots === 0) return `refused: ${refused}`
  return `${times(ratio)} ${unitOf(metric)} in ${boots === 1 ? 'one boot' : `${boots} boots`}, no verdict: ${refused}`
}

function unitOf(metric: ComparisonResult['metric']): string {
  return metric === 'p99' ? 'better on p99' : 'the requests/s'
}

/** CPU time a request with the tuning, as a multiple of that without it. */
function cpuText(cpu: ComparisonResult['cpu']): string {
  if (cpu === undefined || cpu.high === null) return ''
  const [ratio, low, high] = [cpu.ratio, cpu.high, cpu.low].map((value) => (1 / value).toFixed(2))
  return `, ${ratio}× the CPU a request (${low} to ${high})`
}
