import type { ComparisonResult, Results, ScenarioResult, VariantResult } from './schema.ts'

/** The results as a table for a terminal. */
export function renderTable(results: Results): string {
  return results.scenarios.map(renderScenario).join('\n')
}

function renderScenario(scenario: ScenarioResult): string {
  const head = `${scenario.title} (${scenario.name}, ${scenario.connections} caller${scenario.connections === 1 ? '' : 's'})`
  if (scenario.notRun !== undefined) return `${head}\n  not run: ${scenario.notRun}\n`
  if (scenario.refused !== undefined)
    return `${head}\n  refused: ${scenario.refused.split('\n').join('\n  ')}\n`
  const rows = scenario.variants.map((variant) => cells(variant, scenario))
  return `${head}\n${align([columns, ...rows])}\n${scenario.comparisons.map((c) => `  ${sentence(c)}\n`).join('')}`
}

const columns = [
  '',
  'requests/s',
  'p50 ms',
  'p99 ms',
  'p99.9 ms',
  'at',
  'SQL',
  'Redis',
  'bytes',
  'CPU ms',
  'RSS MB',
]

function cells({ name, summary }: VariantResult, { beside }: ScenarioResult): string[] {
  const { latency } = summary
  return [
    name,
    number(summary.throughput),
    latency ? latency.p50.toFixed(2) : '–',
    latency ? latency.p99.toFixed(2) : '–',
    latency ? latency.p999.toFixed(2) : '–',
    latency ? `${number(latency.ratePerSecond)}/s${beside ? ' /health' : ''}` : '–',
    ...costs(summary),
  ]
}

/** Statements, commands, bytes, CPU and memory; dashes for what a deployment does not tell. */
export function costs(summary: VariantResult['summary']): string[] {
  const { statements, commands, responseBytes, cpuMsPerRequest, rssBytes } = summary
  // A paced load does not tell.
  const bytes = responseBytes === 0 ? '–' : number(responseBytes)
  if (rssBytes === 0) return ['–', '–', bytes, '–', '–']
  return [
    decimal(statements),
    decimal(commands),
    bytes,
    cpuMsPerRequest.toFixed(3),
    (rssBytes / 1e6).toFixed(0),
  ]
}

/** A comparison in words, such as `cache tier 1: 2.31× (2.20 to 2.43), better`. */
export function sentence({
  label,
  effect,
  verdict,
  detectable,
  metric,
  refused,
  pHolm,
}: ComparisonResult): string {
  if (verdict === 'refused') return `${label}: refused: ${refused ?? 'no figures'}`
  const interval = `${effect.low.toFixed(2)} to ${effect.high === null ? '∞' : effect.high.toFixed(2)}`
  const what = `${label}: ${times(effect.ratio)} ${metric === 'p99' ? 'on p99' : 'the requests/s'} (95 %: ${interval}, ${effect.pairs} pairs)`
  if (verdict !== 'no difference')
    return `${what}: ${verdict}, p ${pHolm < 0.001 ? '< 0.001' : pHolm.toFixed(3)}`
  const smallest =
    detectable === null ? '' : `; would have shown ${((detectable - 1) * 100).toFixed(0)} % and more`
  return `${what}: no difference seen${smallest}`
}

/** 2.314 → `2.31×`, 31.4 → `31×` */
export function times(ratio: number): string {
  return `${ratio >= 10 ? ratio.toFixed(0) : ratio.toFixed(2)}×`
}

export function number(value: number): string {
  return value >= 100 ? Math.round(value).toLocaleString('en') : value.toPrecision(3)
}

function decimal(value: number): string {
  return Number.isInteger(value) ? String(value) : value.toFixed(2)
}

function align(rows: readonly (readonly string[])[]): string {
  const widths = columns.map((_, i) => Math.max(...rows.map((row) => row[i]?.length ?? 0)))
  return rows
    .map((row) =>
      `  ${row.map((cell, i) => (i === 0 ? cell.padEnd(widths[i] ?? 0) : cell.padStart(widths[i] ?? 0))).join('  ')}`.trimEnd(),
    )
    .join('\n')
}
