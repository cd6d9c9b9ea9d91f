import { createRandom } from '@reference/async/testing'
import t from 'tap'
import { scenarios } from '../../scenarios/index.ts'
import { sampleMeasured, sampleResults, sampleScenario } from '../../testing/sample-results.ts'
import { type BootEffect, dispersionOf, effectOf } from '../stats/effect.ts'
import { judge } from '../stats/verdict.ts'
import { againstItself, judgeAa, judgePlanted, slowedDownBy } from './aa.ts'
import { readRecordedBoots, recordBoots } from './aa-recording.ts'
import { selectScenarios } from './select-scenarios.ts'

// Boots of an A/A run of the default set, as measured (`pnpm bench aa --record`).
const recorded = readRecordedBoots(new URL('../../testing/recorded-a-a.json', import.meta.url))

interface RecordedComparison {
  readonly name: string
  readonly boots: readonly BootEffect[]
}

const rates = recorded.setUps
  .map(
    ({ name, rate }): RecordedComparison => ({
      name: `${name}, requests/s`,
      boots: rate.map(([log, variance]) => ({ log, variance })),
    }),
  )
  .filter(({ boots }) => boots.length >= 3)
const tails = recorded.setUps
  .map(
    ({ name, p99 }): RecordedComparison => ({
      name: `${name}, p99`,
      boots: p99.map((log) => ({ log, variance: undefined })),
    }),
  )
  .filter(({ boots }) => boots.length >= 3)

function verdicts(family: readonly RecordedComparison[]) {
  return judge(
    family.map((comparison) => {
      const others = family.filter((other) => other !== comparison).map(({ boots }) => boots)
      return { name: comparison.name, effect: effectOf(comparison.boots, dispersionOf(others)) }
    }),
  )
}

t.test('recorded boots of identical set-ups: "no difference" in at least 19 of 20 comparisons', async (t) => {
  t.ok(rates.length >= 10 && tails.length >= 8, `${rates.length} and ${tails.length} comparisons`)
  for (const family of [rates, tails]) {
    const different = verdicts(family).filter(({ verdict }) => verdict !== 'no difference')
    t.ok(different.length * 20 <= family.length, different.map(({ item }) => item.name).join(', '))
  }
})

t.test('the same holds for any assignment of the recorded boots to the two sides', async (t) => {
  const random = createRandom(1)
  const relabelled = () =>
    rates.map(({ name, boots }) => ({
      name,
      boots: boots.map(({ log, variance }) => ({ log: random() < 0.5 ? log : -log, variance })),
    }))
  const families = 50
  let different = 0
  for (let i = 0; i < families; i++) {
    different += verdicts(relabelled()).filter(({ verdict }) => verdict !== 'no difference').length
  }
  const all = families * rates.length
  t.ok(different * 20 <= all, `${different} of ${all}`)
})

/** The recorded boots as runs of this many boots, as if the second side were slower by `share`. */
function runsOf(boots: number, share: number): RecordedComparison[][] {
  const most = Math.min(...rates.map((each) => each.boots.length))
  return Array.from({ length: Math.floor(most / boots) }, (_, run) =>
    rates.map(({ name, boots: all }) => ({
      name,
      boots: all
        .slice(run * boots, (run + 1) * boots)
        .map(({ log, variance }) => ({ log: log - Math.log1p(share), variance })),
    })),
  )
}

t.test('thirty recorded boots find a slow-down of 5 % in all set-ups, and one of 3 % in most', async (t) => {
  for (const [share, least] of [
    [0.05, 1],
    [0.03, 0.8],
  ] as const) {
    const judged = runsOf(30, share).flatMap(verdicts)
    const found = judged.filter(({ verdict }) => verdict === 'worse').length
    t.ok(judged.length >= 10 && found >= least * judged.length, `${share}: ${found} of ${judged.length}`)
  }
})

t.test('ten runs of three boots, as the default run has, find a slow-down of 10 %', async (t) => {
  const judged = (share: number) => runsOf(3, share).flatMap(verdicts)
  const found = judged(0.1).filter(({ verdict }) => verdict === 'worse').length
  t.ok(found >= 80, `${found} of ${judged(0.1).length}`)
  const shown = judged(0.05).filter(({ item }) => item.effect.high < 1).length
  t.ok(shown >= 50, `5 % is outside of ${shown} of 100 intervals`)
  const different = judged(0).filter(({ verdict }) => verdict !== 'no difference').length
  t.equal(judged(0).length, 100)
  t.ok(different <= 5, `${different} of 100 identical pairs differ`)
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
    sampleMeasured(sampleScenario('all: tuned', ['B']), { tuned: 1000, B: 1010 }, { boots: 4 }),
  ])
  const [boot] = results.scenarios[0]?.variants[1]?.boots ?? []
  boot?.objections.push('it failed')
  const file = t.testdir({ 'a-a.json': recordBoots(results) })
  const { setUps } = readRecordedBoots(`${file}/a-a.json`)
  t.match(setUps, [{ name: 'all: tuned', rate: { length: 3 }, p99: { length: 3 } }])
  const earlier = readRecordedBoots(`${file}/a-a.json`)
  const both = JSON.parse(recordBoots(results, earlier))
  t.match(both, { runs: { length: 2 }, setUps: [{ rate: { length: 6 } }] }, 'further boots follow')
  t.throws(() => recordBoots(results, { ...earlier, machine: 'another' }), { code: 'RECORDING_INVALID' })
  t.throws(() => readRecordedBoots(new URL('../../results.schema.json', import.meta.url)), {
    code: 'RECORDING_INVALID',
  })
})

t.test('a planted slow-down must be found in half of the set-ups', async (t) => {
  const run = (slow: number) =>
    sampleResults(
      Array.from({ length: 10 }, (_, i) =>
        sampleMeasured(
          sampleScenario(`s${i}`, ['B']),
          { tuned: 1000, B: i < slow ? 700 : 1000 },
          { random: createRandom(i) },
        ),
      ),
    )
  t.match(judgePlanted(run(5)), { passed: true, text: /found in 5 of 10 set-ups: passed/ })
  t.match(judgePlanted(run(4)), { passed: false, text: /4 of 10 set-ups: FAILED\n {2}s0: 1\.\d+ .*: found/ })
})

t.test('the slower side differs in nothing but the planted load', async (t) => {
  const [same] = scenarios.flatMap(againstItself)
  const slowed = same && slowedDownBy(0.05)(same)
  t.equal(slowed?.tuned, same?.tuned)
  const { NODE_OPTIONS, PLANTED_SHARE, ...rest } = slowed?.variants[0]?.environment ?? {}
  t.match({ NODE_OPTIONS, PLANTED_SHARE }, { NODE_OPTIONS: /planted-load\.ts$/, PLANTED_SHARE: '0.05' })
  t.same(rest, same?.variants[0]?.environment)
})
