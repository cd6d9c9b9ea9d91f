import { renderAblation } from './ablation-chart.ts'
import { seriesColour } from './chart.ts'
import { escapeHtml, number, times } from './format.ts'
import { htmlDocument } from './html-document.ts'
import { renderLatencies, renderThroughputAgainstLatency, throughputLegend } from './latency-charts.ts'
import { MACHINE_LEGEND, renderMachine } from './machine-chart.ts'
import type { ComparisonResult, Results, ScenarioResult, VariantResult } from './schema.ts'
import { costCells, sentence } from './table.ts'

const TITLE = 'What each tuning is worth on this machine'
const SLICES = '25 to 400 ms (a second for loads at a fixed rate)'

/** The results as one HTML file without network access: charts, tables, proofs, method. */
export function renderReport(results: Results): string {
  const { complete, warnings, scenarios } = results
  const body = `<header>
${heading(results)}
<p class="meta">${machineLines(results).map(escapeHtml).join('<br>')}</p>
${complete ? '' : '<p class="warning">Interrupted: these are the results so far.</p>'}
${warnings.map((warning) => `<p class="warning">${escapeHtml(warning)}</p>`).join('\n')}
</header>
<main>
${section('Each tuning, with and without', 'Requests a second as shipped, divided by requests a second with one thing changed (p99 where the label says so). Above 1 the tuning helps. The line is the 95 % interval over boots of fresh processes. Grey: no difference was seen; the text names the smallest difference that this run would have seen.', (width) => renderAblation(results, { width }))}
${section('Throughput against latency', 'Filled: as shipped; open: with something changed. Right and low is good. Each scenario has a colour.', (width) => renderThroughputAgainstLatency(results, { width }), legend(throughputLegend(results)))}
${scenarios.map(renderScenario).join('\n')}
${refusals(results)}
${section('The machine during the run', 'Processor time that the benchmark did not use itself, for each boot. All variants of a scenario are loaded in turns of a fraction of a second, so that other programs meet all of them alike: they widen the intervals and do not move them.', (width) => renderMachine(results, { width }), legend(MACHINE_LEGEND))}
${method(results)}
</main>`
  return htmlDocument({ title: TITLE, body })
}

/** The first sentence of the report: what all tunings together are worth. */
function heading({ scenarios }: Results): string {
  const naive = scenarios.find(({ name }) => name === 'naive')?.comparisons[0]
  if (naive?.verdict !== 'better') return `<h1>${TITLE}</h1>`
  const { low, high, ratio, boots } = naive.effect
  const interval = `${times(low)} to ${high === null ? '∞' : times(high)}`
  return `<h1 class="headline">This machine: tuned <strong>${times(ratio)}</strong> naive</h1>
<p class="meta">Requests a second of the same mix of reads as shipped, divided by those of the same app with nothing tuned; 95 % interval ${interval}, ${boots} boots.</p>`
}

function machineLines({ fingerprint, startedAt, seconds }: Results): string[] {
  const { cores, cpuModel, memoryBytes, node, postgres, redis, commit, dirty, placement } = fingerprint
  const code = `${commit?.slice(0, 10) ?? 'no commit'}${dirty ? ' + changes' : ''}`
  return [
    `${cores} × ${cpuModel}, ${(memoryBytes / 2 ** 30).toFixed(0)} GiB · Node ${node} · Postgres ${postgres ?? '–'} · Redis ${redis ?? 'none'}`,
    `${startedAt.slice(0, 16).replace('T', ' ')} UTC · ${Math.round(seconds)} s · ${code} · ${placement}`,
  ]
}

function section(title: string, text: string, chart: (width: number) => string, below = ''): string {
  const figures = bothWidths(title, chart)
  if (figures === '') return ''
  return `<section><h2>${escapeHtml(title)}</h2><p>${escapeHtml(text)}</p>${below}${figures}</section>`
}

/** A chart for a screen and one for a phone, because scaling a chart down makes its text unreadable. */
function bothWidths(title: string, chart: (width: number) => string): string {
  const wide = chart(760)
  if (wide === '') return ''
  const label = escapeHtml(title)
  return `<figure class="wide" role="img" aria-label="${label}">${wide}</figure><figure class="narrow" role="img" aria-label="${label}">${chart(350)}</figure>`
}

function refusals({ scenarios }: Results): string {
  const refused = scenarios.flatMap(({ title, notRun, refused, comparisons }) => {
    const notRunText = notRun === undefined ? [] : [`${title}: not run: ${notRun}`]
    if (refused !== undefined) return [...notRunText, `${title}: ${refused}`]
    const withoutVerdict = comparisons.filter(({ verdict }) => verdict === 'refused')
    return [...notRunText, ...withoutVerdict.map((comparison) => `${title}, ${sentence(comparison)}`)]
  })
  if (refused.length === 0) return ''
  return `<section><h2>Without a verdict</h2><ul>${refused.map((text) => `<li class="pre">${escapeHtml(text)}</li>`).join('')}</ul></section>`
}

function renderScenario(scenario: ScenarioResult): string {
  const { title, about, guide, comparisons, variants, name, connections, refused, notRun } = scenario
  if (refused !== undefined || notRun !== undefined) return ''
  const rate = variants.find(({ summary }) => summary.latency)?.summary.latency?.ratePerSecond
  return `<section id="${escapeHtml(name)}">
<h2>${escapeHtml(title)}</h2>
<p>${escapeHtml(about)} <span class="meta">Recommended in the tuning guide (docs/TUNING.md) under ${escapeHtml(guide)}. ${connections} caller${connections === 1 ? '' : 's'} in the closed loop${rate ? `; open loop at ${number(rate)} requests/s` : ''}.</span></p>
${comparisons.map(verdictLine).join('\n')}
<div class="scroll"><table>
<thead><tr><th></th><th>requests/s</th><th>p50</th><th>p95</th><th>p99</th><th>p99.9</th><th>errors</th><th>SQL</th><th>Redis</th><th>reply</th><th>CPU max.</th><th>CPU fixed</th><th>RSS</th><th>boots</th></tr>
<tr class="unit"><th></th><th>closed loop</th><th>ms</th><th>ms</th><th>ms</th><th>ms</th><th></th><th>per req.</th><th>per req.</th><th>bytes</th><th>µs/req.</th><th>µs/req.</th><th>MB</th><th></th></tr></thead>
<tbody>${variants.map(row).join('')}</tbody></table></div>
${latencySection(scenario)}
<details><summary>Proofs of each variant</summary>${variants.map(proofs).join('')}</details>
</section>`
}

function latencySection(scenario: ScenarioResult): string {
  const { title, beside, variants } = scenario
  const figures = bothWidths(`Latency: ${title}`, (width) => renderLatencies(scenario, { width }))
  if (figures === '') return ''
  const colours = variants.map(({ name }, index) => ({ name, colour: seriesColour(index) }))
  const heading = beside ? 'of concurrent requests to /health' : 'at the fixed rate'
  return `<h3>Latency, ${heading}</h3>${legend(colours)}${figures}`
}

function verdictLine(comparison: ComparisonResult): string {
  const { verdict } = comparison
  const style = verdict === 'better' || verdict === 'worse' ? verdict : 'none'
  return `<p class="verdict ${style}">${escapeHtml(sentence(comparison))}${linksTo(comparison)}</p>`
}

/** The code and the documentation of a tuning, as files of the repository that the report lies in. */
function linksTo({ links }: ComparisonResult): string {
  if (links === undefined) return ''
  const link = (path: string, text: string) => `<a href="../../${escapeHtml(path)}">${text}</a>`
  return ` <span class="links">${link(links.code, 'code')} · ${link(links.docs, 'documentation')}</span>`
}

function row({ name, summary, boots }: VariantResult): string {
  const { p50, p95, p99, p999 } = summary.latency ?? {}
  const errors = boots.reduce((sum, boot) => sum + boot.errors + (boot.latency?.errors ?? 0), 0)
  const cells = [
    number(summary.throughput),
    ...[p50, p95, p99, p999].map(milliseconds),
    String(errors),
    ...costCells(summary),
    String(boots.filter(({ objections }) => objections.length === 0).length),
  ]
  return `<tr><th scope="row">${breakable(escapeHtml(name))}</th>${cells.map((cell) => `<td>${cell}</td>`).join('')}</tr>`
}

function milliseconds(value: number | undefined): string {
  return value === undefined ? '–' : value < 10 ? value.toFixed(2) : value.toFixed(0)
}

/** Allows line breaks in names of settings only after `=` and `_`. */
function breakable(html: string): string {
  return html.replaceAll(/[=_]/g, '$&<wbr>')
}

function legend(entries: readonly { name: string; colour: string }[]): string {
  const items = entries.map(
    ({ name, colour }) => `<li><i style="background:${colour}"></i>${escapeHtml(name)}</li>`,
  )
  return `<ul class="legend">${items.join('')}</ul>`
}

function proofs({ name, proof, statementsByText, commandsByName, environment }: VariantResult): string {
  const facts = [
    ...Object.entries(environment).map(([key, value]) => `${key}=${value}`),
    ...proof,
    ...Object.entries(statementsByText).map(([text, count]) => `${count} × ${text}`),
    ...Object.entries(commandsByName).map(([command, count]) => `${count} × Redis ${command.toUpperCase()}`),
  ]
  return `<h4>${escapeHtml(name)}</h4><ul>${facts.map((text) => `<li>${escapeHtml(text)}</li>`).join('')}</ul>`
}

function method({ fingerprint, world, command }: Results): string {
  const { cores, cpuModel, kernel, platform, settings } = fingerprint
  const rows = Object.entries(world).map(([table, count]) => `${count.toLocaleString('en')} ${table}`)
  return `<section><h2>Method</h2>
<p>All variants of a scenario are alive at once, each in a fresh process on the same core, and are loaded in turns: slices of ${SLICES}, in balanced order (A B, B A, …), after a warm-up that does not count. The effect of a boot is the trimmed mean of the logarithms of the ratios of its turns. The interval is that of a moderated t over boots, with the variance of the turns and of the boots; verdicts are corrected for the number of comparisons (Holm). Throughput is closed loop: each caller sends its next request after the reply. Latency is open loop: requests are due at the fixed rate that the scenario names, and latency counts from the due time, so that a stall delays all requests that are due during it. CPU time a request is that of the service with all its threads, at the maximum rate and at that fixed rate.</p>
<p>Postgres and Redis count statements and commands themselves. ${escapeHtml(rows.join(', '))}. <code>${escapeHtml(command)}</code></p>
<details><summary>Machine and settings</summary><ul>
<li>${escapeHtml(`${cores} × ${cpuModel}, ${kernel}, ${platform}`)}</li>
${Object.entries(settings)
  .map(([name, value]) => `<li><code>${escapeHtml(name)}=${escapeHtml(value)}</code></li>`)
  .join('')}</ul></details></section>`
}
