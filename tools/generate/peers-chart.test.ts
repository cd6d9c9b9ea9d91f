import t from 'tap'
import type { DuetResults, Side } from './duet-results.ts'
import { peersChart } from './peers-chart.ts'

const side = (name: string, rate: number, ratio?: number): Side => ({
  name,
  label: name,
  figures: { rate, cpuMicros: 1, fixedRateCpuMicros: 1 },
  ...(ratio !== undefined && { effect: { rate: { ratio, low: ratio * 0.9, high: ratio * 1.1 } } }),
})

const RESULTS: DuetResults = {
  fingerprint: { cpuModel: 'x', cores: 2, node: 'v26.0.0' },
  versions: {},
  starts: [],
  rows: [
    { name: 'a', title: 'A & B', sides: [side('ours', 5000), side('go', 10_000, 0.5)] },
    { name: 'b', title: 'C', sides: [side('ours', 20), { name: 'go', label: 'go' }] },
  ],
}

t.test('each path has a scale of its own: the fastest server has the longest bar', async (t) => {
  const bars = [...peersChart(RESULTS).matchAll(/<rect x="\d+" y="\d+" width="([\d.]+)"/g)].map(([, width]) =>
    Number(width),
  )
  t.equal(bars.length, 3, 'a server that was not run has no bar')
  t.equal(bars[1], 2 * (bars[0] ?? 0))
  t.equal(bars[2], bars[1])
})

t.test('texts have rates, ratios and intervals', async (t) => {
  const chart = peersChart(RESULTS)
  t.match(chart, />go 10,000\/s · ours 0\.50× \(0\.45–0\.55\)</)
  t.match(chart, />A &amp; B</)
})

t.test('colours are attributes, because not every viewer of SVG reads styles', async (t) => {
  t.notMatch(peersChart(RESULTS), /<style|var\(|style=|class=/)
})
