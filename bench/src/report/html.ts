import {
  darkColours,
  lightColours,
  renderAblation,
  renderLatencies,
  renderThroughputAgainstLatency,
  throughputLegend,
} from './charts.ts'
import type { ComparisonResult, Results, ScenarioResult, VariantResult } from './schema.ts'
import { reportStyle } from './style.ts'
import { costs, number, sentence, times } from './table.ts'

/** The results as one HTML file that needs no network: charts, tables, what was proven, how it was measured. */
export function renderReport(results: Results): string {
  const { fingerprint, startedAt, scenarios } = results
  const title = 'What each tuning is worth on this machine'
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>${title}</title>
<style>:root{${lightColours}}@media (prefers-color-scheme:dark){:root{${darkColours}}}
${reportStyle}</style>
</head>
<body>
<header>
<h1>${title}</h1>
${headline(results)}
<p class="meta">${escapeHtml(
    `${fingerprint.cores} × ${fingerprint.cpuModel}, ${(fingerprint.memoryBytes / 2 ** 30).toFixed(0)} GiB · Node ${fingerprint.node} · Postgres ${fingerprint.postgres ?? '–'} · Redis ${fingerprint.redis ?? 'none'}`,
  )}<br>${escapeHtml(`${startedAt.slice(0, 16).replace('T', ' ')} UTC · ${Math.round(results.seconds)} s · ${fingerprint.commit?.slice(0, 10) ?? 'no commit'}${fingerprint.dirty ? ' + changes' : ''} · ${fingerprint.placement}`)}</p>
${results.complete ? '' : '<p class="warning">Interrupted: this is what there was.</p>'}
${results.warnings.map((warning) => `<p class="warning">${escapeHtml(warning)}</p>`).join('\n')}
</header>
<main>
${section('Each tuning, with and without', 'Requests a second (p99 where said) as shipped, divided by the same with one thing changed; the line is the 95 % interval over pairs of fresh processes. Above 1 the tuning helps. Grey: no difference could be shown; beside it, how large one would have had to be.', (width) => renderAblation(results, { width }))}
${refusals(results)}
${section('Throughput against latency', 'Filled: as shipped; open: with something changed. Right and low is good. Each scenario is a colour.', (width) => renderThroughputAgainstLatency(results, { width }), legend(throughputLegend(results)))}
${scenarios.map(renderScenario).join('\n')}
${method(results)}
</main>
</body>
</html>
`
}

function headline({ scenarios }: Results): string {
  const naive = scenarios.find(({ name }) => name === 'naive')?.comparisons[0]
  if (naive?.verdict !== 'better') return ''
  const { low, high, ratio } = naive.effect
  const interval = `${times(low)} to ${high === null ? '∞' : times(high)}`
  return `<p class="headline"><strong>${times(ratio)}</strong> the requests a second of the same app with nothing tuned <span>95 % interval ${interval}, ${naive.effect.pairs} pairs</span></p>`
}

function section(title: string, text: string, chart: (width: number) => string, below = ''): string {
  const wide = chart(760)
  if (wide === '') return ''
  return `<section><h2>${escapeHtml(title)}</h2><p>${escapeHtml(text)}</p>${below}${bothWidths(wide, chart(350), title)}</section>`
}

/** A chart drawn for a screen and for a phone: shrinking one would shrink its letters. */
function bothWidths(wide: string, narrow: string, title: string): string {
  const label = escapeHtml(title)
  return `<figure class="wide" role="img" aria-label="${label}">${wide}</figure><figure class="narrow" role="img" aria-label="${label}">${narrow}</figure>`
}

function refusals({ scenarios }: Results): string {
  const refused = scenarios.flatMap((scenario) => [
    ...(scenario.notRun === undefined ? [] : [`${scenario.title}: not run: ${scenario.notRun}`]),
    ...(scenario.refused === undefined ? [] : [`${scenario.title}: ${scenario.refused}`]),
    ...(scenario.refused === undefined
      ? scenario.comparisons
          .filter(({ verdict }) => verdict === 'refused')
          .map((comparison) => `${scenario.title}, ${sentence(comparison)}`)
      : []),
  ])
  if (refused.length === 0) return ''
  return `<section><h2>Not counted, not run</h2><ul>${refused.map((text) => `<li class="pre">${escapeHtml(text)}</li>`).join('')}</ul></section>`
}

function renderScenario(scenario: ScenarioResult): string {
  const { title, about, guide, comparisons, variants, name, connections, refused, notRun } = scenario
  if (refused !== undefined || notRun !== undefined) return ''
  const wide = renderLatencies(scenario, { width: 760 })
  const rate = variants.find(({ summary }) => summary.latency)?.summary.latency?.ratePerSecond
  return `<section id="${escapeHtml(name)}">
<h2>${escapeHtml(title)}</h2>
<p>${escapeHtml(about)} <span class="meta">Guide: ${escapeHtml(guide)}. ${connections} caller${connections === 1 ? '' : 's'} in the closed loop${rate ? `; open loop at ${number(rate)} requests/s` : ''}.</span></p>
${comparisons.map(verdictLine).join('\n')}
<div class="scroll"><table>
<thead><tr><th></th><th>requests/s</th><th>p50</th><th>p95</th><th>p99</th><th>p99.9</th><th>errors</th><th>SQL</th><th>Redis</th><th>reply</th><th>CPU</th><th>RSS</th><th>boots</th></tr>
<tr class="unit"><th></th><th>closed loop</th><th>ms</th><th>ms</th><th>ms</th><th>ms</th><th></th><th>per req.</th><th>per req.</th><th>bytes</th><th>ms/req.</th><th>MB</th><th></th></tr></thead>
<tbody>${variants.map(row).join('')}</tbody></table></div>
${wide === '' ? '' : `<h3>Latency, ${scenario.beside ? 'of /health meanwhile' : 'at the fixed rate'}</h3>${legend(variants.map(({ name }, index) => ({ name, colour: `var(--s${index % 7})` })))}${bothWidths(wide, renderLatencies(scenario, { width: 350 }), `Latency: ${title}`)}`}
<details><summary>What was proven before a number counted</summary>${variants.map(proof).join('')}</details>
</section>`
}

function verdictLine(comparison: ComparisonResult): string {
  const kind = { better: 'better', worse: 'worse', 'no difference': 'none', refused: 'none' }[
    comparison.verdict
  ]
  return `<p class="verdict ${kind}">${escapeHtml(sentence(comparison))}</p>`
}

function row({ name, summary, boots }: VariantResult): string {
  const { latency } = summary
  const ms = (value: number | undefined) =>
    value === undefined ? '–' : value < 10 ? value.toFixed(2) : value.toFixed(0)
  const errors = boots.reduce((sum, boot) => sum + boot.errors + (boot.latency?.errors ?? 0), 0)
  const cells = [
    number(summary.throughput),
    ms(latency?.p50),
    ms(latency?.p95),
    ms(latency?.p99),
    ms(latency?.p999),
    String(errors),
    ...costs(summary),
    String(boots.filter(({ objections }) => objections.length === 0).length),
  ]
  return `<tr><th scope="row">${breakable(escapeHtml(name))}</th>${cells.map((cell) => `<td>${cell}</td>`).join('')}</tr>`
}

/** Names of settings may break behind their joints, not within a word. */
function breakable(html: string): string {
  return html.replaceAll(/[=_]/g, '$&<wbr>')
}

function legend(entries: readonly { name: string; colour: string }[]): string {
  const items = entries.map(
    ({ name, colour }) => `<li><i style="background:${colour}"></i>${escapeHtml(name)}</li>`,
  )
  return `<ul class="legend">${items.join('')}</ul>`
}

function proof({ name, proof, statementsByText, commandsByName, environment }: VariantResult): string {
  const settings = Object.entries(environment).map(([key, value]) => `${key}=${value}`)
  const costs = [
    ...Object.entries(statementsByText).map(([text, times]) => `${times} × ${text}`),
    ...Object.entries(commandsByName).map(([command, times]) => `${times} × Redis ${command.toUpperCase()}`),
  ]
  return `<h4>${escapeHtml(name)}</h4><ul>${[...settings, ...proof, ...costs].map((text) => `<li>${escapeHtml(text)}</li>`).join('')}</ul>`
}

function method({ fingerprint, world, command }: Results): string {
  const rows = Object.entries(world).map(([table, count]) => `${count.toLocaleString('en')} ${table}`)
  return `<section><h2>How it was measured</h2>
<p>One figure is one fresh process: started as it is really run, warmed up until two successive quarter seconds differ by less than 5 %, then measured. Variants are booted in the order A B, B A, A B …, and the ratio within each pair is what counts, so that drift of the machine cancels out. The interval is Student’s t over the logarithms of those ratios; verdicts are corrected for the number of comparisons (Holm). Throughput is closed loop: each caller sends when it has its answer. Latency is open loop: requests are due at a fixed rate, at most half of what the slowest variant can do, and count from when they were due, so that a stall delays all that fall into it.</p>
<p>Statements and commands are those that Postgres and Redis counted themselves. ${escapeHtml(rows.join(', '))}. <code>${escapeHtml(command)}</code></p>
<details><summary>Machine and settings</summary><ul>
<li>${escapeHtml(`${fingerprint.cores} × ${fingerprint.cpuModel}, ${fingerprint.kernel}, ${fingerprint.platform}`)}</li>
${Object.entries(fingerprint.settings)
  .map(([name, value]) => `<li><code>${escapeHtml(name)}=${escapeHtml(value)}</code></li>`)
  .join('')}</ul></details></section>`
}

function escapeHtml(text: string): string {
  return text
    .replaceAll('&', '&amp;')
    .replaceAll('<', '&lt;')
    .replaceAll('>', '&gt;')
    .replaceAll('"', '&quot;')
}
