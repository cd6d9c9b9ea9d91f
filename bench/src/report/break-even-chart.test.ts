import t from 'tap'
import { SAMPLE_FINGERPRINT } from '../../testing/sample-results.ts'
import { breakEvenOf, renderBreakEven } from './break-even-chart.ts'
import type { BreakEvenResults } from './break-even-schema.ts'

/** The cache is slower below a hit ratio of 0.4, and once more at 0.6. */
const results: BreakEvenResults = {
  schemaVersion: 1,
  kind: 'break-even',
  startedAt: '2026-01-01T00:00:00.000Z',
  fingerprint: SAMPLE_FINGERPRINT,
  connections: 50,
  writeShare: 0.05,
  points: [
    { hotShare: 0, hitRatio: 0, on: [50, 60, 40], off: [100] },
    { hotShare: 0.5, hitRatio: 0.5, on: [200], off: [100] },
    { hotShare: 0.6, hitRatio: 0.6, on: [50], off: [100] },
    { hotShare: 0.8, hitRatio: 0.8, on: [200], off: [100] },
  ],
}

t.test('the break-even is where the cache is slower for the last time', async (t) => {
  t.equal(breakEvenOf(results)?.toFixed(3), '0.700', 'between two ratios, on a logarithmic scale')
  t.equal(breakEvenOf({ ...results, points: results.points.slice(1, 3) }), undefined)
  t.equal(breakEvenOf({ ...results, points: results.points.slice(1, 2) }), 0.5)
})

t.test('the chart names the break-even', async (t) => {
  t.match(renderBreakEven(results), />break-even 0\.70</)
})
