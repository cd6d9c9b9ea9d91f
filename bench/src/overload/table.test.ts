import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { REPOSITORY_ROOT } from '@reference/cli'
import t from 'tap'
import type { OverloadPoint, OverloadResults } from '../report/overload-schema.ts'
import { readOverload } from '../report/results-file.ts'
import { overloadPage } from './page.ts'
import { missedGoals, renderOverload } from './table.ts'

const measured = readOverload(join(REPOSITORY_ROOT, 'bench/baselines/overload.json'))

/** One call whose goodput with the limit is this at three times the rate of saturation. */
function results(last: Partial<OverloadPoint>, recoveryMs: number | null): OverloadResults {
  const [call] = measured.calls
  const [first] = call?.sides[0]?.points ?? []
  if (call === undefined || first === undefined) throw new Error('there are no results')
  const normal = { ...first, multiple: 0.5, goodPerSecond: 1000, p99Ms: 10 }
  const points = [normal, { ...normal, multiple: 3, ...last }]
  return { ...measured, calls: [{ ...call, sides: [{ limit: 'on', points, recoveryMs }] }] }
}

t.test('each missed goal is a sentence', async (t) => {
  t.same(missedGoals(results({ goodPerSecond: 800, p99Ms: 39 }, 2000)), [])
  t.match(missedGoals(results({ goodPerSecond: 790, p99Ms: 40 }, 2250)), [
    /goodput at 3× is 0\.79 of its peak/,
    /p99 at 3× is 4\.0 times the normal one/,
    /not normal again within 2000 ms/,
  ])
  t.match(missedGoals(results({ goodPerSecond: 1000 }, null)), [/not normal again/])
  t.match(missedGoals(results({ goodPerSecond: 100, lagP99Ms: 500 }, 0)), [/generator was late above 0\.5×/])
})

t.test('the table has a row for each rate, and both sides', async (t) => {
  const table = renderOverload(measured)
  for (const { request, sides } of measured.calls) {
    t.match(table, `\`${request}\``)
    t.same(
      sides.map(({ limit }) => limit),
      ['on', 'off'],
    )
  }
  t.match(table, /\(3×\)/)
})

t.test(
  'the curves of the page are those of the committed results: node bench/src/report/write-charts.ts',
  async (t) => {
    for (const [path, text] of overloadPage())
      t.ok(readFileSync(join(REPOSITORY_ROOT, path), 'utf8') === text, path)
  },
)
