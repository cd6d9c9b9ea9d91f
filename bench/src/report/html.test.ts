import { parseHTML } from 'linkedom'
import t from 'tap'
import { sampleMeasured, sampleResults, sampleScenario } from '../../testing/sample-results.ts'
import { renderAblation } from './ablation-chart.ts'
import { renderReport } from './html.ts'
import { renderTable } from './table.ts'

const results = sampleResults(
  [
    sampleMeasured(sampleScenario('naive', ['every tuning']), { tuned: 20_000, 'every tuning': 1000 }),
    sampleMeasured(sampleScenario('user-by-id', ['CACHE_L1=off', 'miss']), {
      tuned: 20_000,
      'CACHE_L1=off': 9000,
      miss: 5000,
    }),
    sampleMeasured(sampleScenario('all', ['PARALLEL_FETCH=off']), { tuned: 500, 'PARALLEL_FETCH=off': 500 }),
    {
      ...sampleMeasured(sampleScenario('report', ['WORKER_THREADS=0'], 'p99'), {}),
      refused: 'tuned: no worker <threads>',
    },
  ],
  { warnings: ['something & more'] },
)
const html = renderReport(results)

t.test('the report needs no network', async (t) => {
  const withoutNamespaces = html.replaceAll(/ xmlns(:\w+)?="[^"]*"/g, '')
  t.notMatch(withoutNamespaces, /https?:\/\//)
  t.notMatch(withoutNamespaces, /<(script|link|img|iframe|object)\b/i)
  t.notMatch(withoutNamespaces, /@import|url\(/)
})

t.test('each chart has a version for a screen and one for a phone', async (t) => {
  const { document } = parseHTML(html)
  const wide = document.querySelectorAll('figure.wide svg').length
  t.ok(wide >= 5, `${wide} charts: ablation, throughput against latency, a latency chart a scenario`)
  t.equal(document.querySelectorAll('figure.narrow svg').length, wide)
})

t.test('each variant has a row, each comparison a verdict, each refusal a reason', async (t) => {
  const { document } = parseHTML(html)
  const rows = [...document.querySelectorAll('tbody th')].map((cell) => cell.textContent)
  for (const name of ['tuned', 'every tuning', 'CACHE_L1=off', 'miss', 'PARALLEL_FETCH=off'])
    t.ok(rows.includes(name), name)
  t.match(
    document.querySelector('.verdict.better')?.textContent,
    /every tuning: 2\d× the requests\/s .* better/,
  )
  t.match(html, /no difference seen; \d+ % or more would be seen/)
  t.match(html, /no worker &lt;threads&gt;/, 'escaped')
  t.match(document.querySelector('h1')?.textContent, /^This machine: tuned 2\d× naive$/)
})

t.test('the ablation chart has a bar for each comparison that counts', async (t) => {
  const svg = renderAblation(results, { standalone: true })
  t.match(svg, /every tuning/)
  t.notMatch(svg, /report/, 'a refused scenario has no bar')
})

t.test('the report and the table show why a scenario did not run', async (t) => {
  const nginx = { ...sampleMeasured(sampleScenario('nginx', ['direct']), {}), notRun: 'no Docker engine' }
  const withNginx = sampleResults([
    sampleMeasured(sampleScenario('all', ['off']), { tuned: 500, off: 250 }),
    nginx,
  ])
  t.match(renderReport(withNginx), /Title of nginx: not run: no Docker engine/)
  t.match(renderTable(withNginx), /\(nginx, 32 callers\)\n {2}not run: no Docker engine/)
  t.match(withNginx.scenarios[1], { notRun: 'no Docker engine', comparisons: [] })
  t.match(renderAblation(withNginx), /off · all/)
  t.notMatch(renderAblation(withNginx), /nginx/)
})

t.test('a run without comparisons has a report', async (t) => {
  const health = sampleResults([sampleMeasured(sampleScenario('health', []), { tuned: 30_000 })])
  t.match(renderReport(health), /Title of health/)
  t.equal(renderAblation(health), '')
})

t.test('the table for the terminal has figures, verdicts and refusals', async (t) => {
  const table = renderTable(results)
  t.match(table, /Title of user-by-id \(user-by-id, 32 callers\)/)
  t.match(table, /CACHE_L1=off: 2\.\d\d× the requests\/s/)
  t.match(table, /refused: tuned: no worker <threads>/)
})
