import t from 'tap'
import { ablationTable, withComparisons } from './comparisons.ts'

t.test('figures of a document come from the committed results', async (t) => {
  const text = 'caches <!--figure user-by-id / CACHE_L1=off CACHE_L2=off-->old<!--/figure--> requests/s'
  const filled = withComparisons(text)
  t.match(
    filled,
    /^caches <!--figure user-by-id \/ CACHE_L1=off CACHE_L2=off-->\d+(\.\d+)?× \(\d.*–\d.*\)<!--\/figure--> requests\/s$/,
  )
  t.equal(withComparisons(filled), filled)
  t.throws(() => withComparisons('<!--figure no-scenario / X=off--><!--/figure-->'), /no-scenario \/ X=off/)
  t.equal(withComparisons('no figure'), 'no figure')
})

t.test('the table has every comparison of the default set, the largest effect first', async (t) => {
  const rows = (ablationTable() ?? '').split('\n').filter((line) => / requests\/s \||, p99 \|/.test(line))
  t.ok(rows.length >= 5, `${rows.length} rows`)
  const ratios = rows.flatMap((row) => /\| ([\d.]+)× \|/.exec(row)?.[1] ?? []).map(Number)
  t.same(
    ratios,
    ratios.toSorted((a, b) => b - a),
  )
})
