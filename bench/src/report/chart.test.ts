import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { REPOSITORY_ROOT } from '@reference/cli'
import { parseHTML } from 'linkedom'
import t from 'tap'
import { sampleMeasured, sampleResults, sampleScenario } from '../../testing/sample-results.ts'
import { renderAblation } from './ablation-chart.ts'
import { baselineCharts } from './baseline-charts.ts'
import { renderLatencies, renderThroughputAgainstLatency } from './latency-charts.ts'
import { readmeExcerpt } from './readme-excerpt.ts'

const results = sampleResults([
  sampleMeasured(sampleScenario('user-by-id', ['CACHE_L1=off', 'same']), {
    tuned: 20_000,
    'CACHE_L1=off': 9000,
    same: 20_000,
  }),
])
const [scenario] = results.scenarios
if (scenario === undefined) throw new Error('there is no scenario')

const CHARTS = {
  ablation: (standalone: boolean) => renderAblation(results, { standalone }),
  'ablation, narrow': (standalone: boolean) => renderAblation(results, { standalone, width: 350 }),
  latencies: (standalone: boolean) => renderLatencies(scenario, { standalone }),
  'throughput against latency': (standalone: boolean) =>
    renderThroughputAgainstLatency(results, { standalone }),
}

const standaloneCharts = new Map([
  ...Object.entries(CHARTS).map(([name, chart]) => [name, chart(true)] as const),
  ...baselineCharts(),
])

t.test('a standalone chart needs neither a style sheet nor custom properties', async (t) => {
  for (const [name, svg] of standaloneCharts) {
    t.notMatch(svg, /var\(|<style|class=|style=|currentColor/, name)
    t.match(svg, /^<svg [^>]*xmlns="http:\/\/www\.w3\.org\/2000\/svg"/, name)
    t.equal(svg.match(/xmlns=/g)?.length, 1, name)
  }
})

t.test('each colour of a standalone chart is a plain value, over a ground', async (t) => {
  for (const [name, svg] of standaloneCharts) {
    const { document } = parseHTML(`<!doctype html><html><body>${svg}</body></html>`)
    const ground = document.querySelector('svg > rect:first-child')
    t.equal(ground?.getAttribute('fill'), '#ffffff', name)
    const colours = [...svg.matchAll(/ (?:fill|stroke|color)="([^"]*)"/g)].map(([, value]) => value)
    t.ok(colours.length > 5, name)
    t.same(
      colours.filter((value) => !/^(#[0-9a-f]{6}|none|transparent)$/.test(value ?? '')),
      [],
      name,
    )
  }
})

t.test('a chart in the report takes its colours from the page', async (t) => {
  for (const [name, chart] of Object.entries(CHARTS)) t.match(chart(false), /var\(--ink\)/, name)
})

t.test(
  'the committed charts and the excerpt are current: node bench/src/report/write-charts.ts',
  async (t) => {
    for (const [path, text] of [...baselineCharts(), ...readmeExcerpt()])
      t.ok(readFileSync(join(REPOSITORY_ROOT, path), 'utf8') === text, path)
  },
)
