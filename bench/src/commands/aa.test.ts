import { createRandom } from '@reference/async/testing'
import t from 'tap'
import { scenarios } from '../../scenarios/index.ts'
import { sampleMeasured, sampleResults, sampleScenario } from '../../testing/sample-results.ts'
import { pairedEffect } from '../stats/effect.ts'
import { judge } from '../stats/verdict.ts'
import { againstItself, judgeAa } from './aa.ts'
import { readRecordedPairs, recordPairs } from './aa-recording.ts'
import { selectScenarios } from './select-scenarios.ts'

// Boots of an A/A run of the default set, as measured (`pnpm bench aa --record`).
const recorded = readRecordedPairs(new URL('../../testing/recorded-a-a.json', import.meta.url))

interface RecordedComparison {
  readonly name: string
  readonly pairs: readonly (readonly [number, number])[]
}

const throughputs = recorded.setUps.map(
  ({ name, throughput }): RecordedComparison => ({ name: `${name}, requests/s`, pairs: throughput }),
)
const comparisons = [
  ...throughputs,
  ...recorded.setUps.map(({ name, p99 }): RecordedComparison => ({ name: `${name}, p99`, pairs: p99 })),
].filter(({ pairs }) => pairs.length >= 3)

function verdicts(family: readonly RecordedComparison[]) {
  return judge(
    family.map(({ name, pairs }) => ({ name, effect: pairedEffect(pairs.map(([a, b]) => a / b)) })),
  )
}

t.test('recorded boots of identical set-ups: "no difference" in at least 19 of 20 comparisons', async (t) => {
  t.ok(comparisons.length >= 20, `${comparisons.length} comparisons`)
  const different = verdicts(comparisons).filter(({ verdict }) => verdict !== 'no difference')
  t.ok(different.length * 20 <= comparisons.length, different.map(({ item }) => item.name).join(', '))
})

t.test('the same holds for any assignment of the recorded boots to the two sides', async (t) => {
  const random = createRandom(1)
  const relabelled = () =>
    comparisons.map(({ name, pairs }) => ({
      name,
      pairs: pairs.map(([a, b]) => (random() < 0.5 ? ([a, b] as const) : ([b, a] as const))),
    }))
  const families = 50
  let different = 0
  for (let i = 0; i < families; i++) {
    different += verdicts(relabelled()).filter(({ verdict }) => verdict !== 'no difference').length
  }
  const all = families * comparisons.length
  t.ok(different * 20 <= all, `${different} of ${all}`)
})

// The pairs of all set-ups together, because one set-up has few.
const allPairs = throughputs.flatMap(({ pairs }) => pairs)
const verdictOf = (slower: number) => {
  const effect = pairedEffect(allPairs.map(([a, b]) => (a * slower) / b))
  return judge([{ name: 'all set-ups', effect }])[0]?.verdict
}

t.test('a planted slow-down of 10 % is detected in the recorded boots, and none without it', async (t) => {
  t.equal(verdictOf(1), 'no difference')
  t.equal(verdictOf(0.9), 'worse')
  t.equal(verdictOf(1 / 0.9), 'better')
})

t.test('every set-up of the default set is compared with an identical one', async (t) => {
  const chosen = selectScenarios(scenarios, { names: [], off: [], full: false })
  const same = chosen.flatMap(againstItself)
  t.equal(
    same.length,
    chosen.reduce((sum, { variants }) => sum + variants.length + 1, 0),
  )
  t.equal(new Set(same.map(({ name }) => name)).size, same.length)
  for (const { tuned, variants } of same) {
    const { name: a, ...first } = tuned
    const [{ name: b, ...second } = { name: '' }] = variants
    t.same([a, b], ['A', 'B'])
    t.same(first, second)
  }
})

t.test('more than one false difference in 20 fails the run', async (t) => {
  const run = (fast: number) =>
    sampleResults(
      Array.from({ length: 20 }, (_, i) => {
        const scenario = sampleScenario(`s${i}`, ['B'])
        return sampleMeasured(
          scenario,
          { tuned: i < fast ? 1300 : 1000, B: 1000 },
          { random: createRandom(i) },
        )
      }),
    )
  t.match(judgeAa(run(0)), { passed: true, text: /20 comparisons.* 0 false differences/ })
  t.match(judgeAa(run(1)), { passed: true, text: /1 false differences/ })
  t.match(judgeAa(run(2)), { passed: false, text: /2 false differences .* FAILED\n[\s\S]*s0: 1\.\d+, p/ })
  t.match(judgeAa(sampleResults([])), { passed: false })
})

t.test('a recording is read back, without boots that do not count', async (t) => {
  const results = sampleResults([
    sampleMeasured(sampleScenario('all: tuned', ['B']), { tuned: 1000, B: 1010 }, { rounds: 4 }),
  ])
  const [boot] = results.scenarios[0]?.variants[1]?.boots ?? []
  boot?.objections.push('other programs used 0.50 cores')
  const file = t.testdir({ 'a-a.json': recordPairs(results) })
  const { setUps } = readRecordedPairs(`${file}/a-a.json`)
  t.match(setUps, [{ name: 'all: tuned', throughput: { length: 3 }, p99: { length: 3 } }])
  t.throws(() => readRecordedPairs(new URL('../../results.schema.json', import.meta.url)), {
    code: 'RECORDING_INVALID',
  })
})
