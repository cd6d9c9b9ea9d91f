import { createRandom } from '@reference/async/testing'
import t from 'tap'
import { sampleMeasured, sampleResults, sampleScenario } from '../../testing/sample-results.ts'
import { compareResults } from './compare.ts'
import type { Results } from './schema.ts'

const run = (seed: number, rate: number) =>
  sampleResults([
    sampleMeasured(
      sampleScenario('user-by-id', ['off']),
      { tuned: rate, off: 9000 },
      { random: createRandom(seed), spread: 0.02 },
    ),
  ])

function withStatements(results: Results, statements: number): Results {
  const changed = structuredClone(results)
  for (const { variants } of changed.scenarios)
    for (const { summary } of variants) summary.statements = statements
  return changed
}

t.test('the same speed is no loss', async (t) => {
  t.match(compareResults(run(1, 20_000), run(2, 20_000), 0.05), { loss: false })
})

t.test('a loss beyond the margin is detected and named', async (t) => {
  const { text, loss } = compareResults(run(1, 20_000), run(2, 16_000), 0.05)
  t.equal(loss, true)
  t.match(text, /user-by-id: tuned: 0\.\d\d× .* LOSS/)
})

t.test('a significant loss within the margin is accepted', async (t) => {
  t.match(compareResults(run(1, 20_000), run(2, 18_400), 0.2), { loss: false })
})

t.test('a gain is no loss', async (t) => {
  const { text, loss } = compareResults(run(1, 20_000), run(2, 26_000), 0.05)
  t.equal(loss, false)
  t.match(text, /gain/)
})

t.test('statements a request are compared exactly: more is a loss, fewer is none', async (t) => {
  const [one, two] = [withStatements(run(1, 20_000), 1), withStatements(run(2, 20_000), 2)]
  t.match(compareResults(one, two, 0.05), { loss: true, text: /SQL statements a request 1 → 2 LOSS/ })
  t.match(compareResults(two, one, 0.05), { loss: false, text: /SQL statements a request 2 → 1/ })
})

t.test('when boots of the old run differ, only more than the highest of them is a loss', async (t) => {
  const old = run(1, 20_000)
  const [boot] = old.scenarios[0]?.variants[0]?.boots ?? []
  if (boot) boot.statements = 3
  const now = run(2, 20_000)
  const [tuned] = now.scenarios[0]?.variants ?? []
  if (tuned) tuned.summary.statements = 2
  t.match(compareResults(old, now, 0.05), { loss: false, text: /statements a request 1 → 2$/m })
})

t.test('a different machine is reported', async (t) => {
  const other = run(2, 20_000)
  const moved = { ...other, fingerprint: { ...other.fingerprint, cores: 64 } }
  t.match(compareResults(run(1, 20_000), moved, 0.05).text, /not the same machine.*cores: 2 → 64/)
})
