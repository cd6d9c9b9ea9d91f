import { createRandom } from '@reference/async/testing'
import t from 'tap'
import { gaussian } from '../../testing/sample-results.ts'
import { geometricMean, median, pairedEffect, unpairedEffect } from './effect.ts'
import { holm } from './holm.ts'
import { studentCdf, studentQuantile, twoSidedP } from './student-t.ts'
import { judge } from './verdict.ts'

t.test('quantiles of Student’s t match published tables', async (t) => {
  const table = [
    [0.975, 1, 12.7062],
    [0.975, 2, 4.30265],
    [0.975, 3, 3.18245],
    [0.975, 10, 2.22814],
    [0.975, 100, 1.98397],
    [0.95, 5, 2.01505],
    [0.8, 4, 0.940965],
    [0.9995, 7, 5.40788],
  ] as const
  for (const [probability, degrees, expected] of table) {
    t.ok(
      Math.abs(studentQuantile(probability, degrees) - expected) < 1e-4 * expected,
      `${probability}, ${degrees}`,
    )
    t.ok(Math.abs(studentQuantile(1 - probability, degrees) + expected) < 1e-4 * expected, 'symmetric')
  }
  t.ok(Math.abs(studentCdf(0, 3) - 0.5) < 1e-12)
  t.ok(Math.abs(twoSidedP(2.22814, 10) - 0.05) < 1e-5)
  t.ok(Math.abs(twoSidedP(-2.22814, 10) - 0.05) < 1e-5)
})

t.test('Holm’s correction matches a textbook example, in the order of the input', async (t) => {
  const adjusted = holm([0.01, 0.04, 0.03, 0.005]).map((p) => Number(p.toFixed(6)))
  t.same(adjusted, [0.03, 0.06, 0.06, 0.02])
  t.same(holm([]), [])
  t.same(holm([0.9, 0.8]), [1, 1])
})

t.test('a ratio and its inverse are equally far from no effect', async (t) => {
  const ratios = [1.2, 1.3, 1.25, 1.22]
  const [up, down] = [pairedEffect(ratios), pairedEffect(ratios.map((ratio) => 1 / ratio))]
  t.ok(Math.abs(up.ratio * down.ratio - 1) < 1e-12)
  t.ok(Math.abs(up.low * down.high - 1) < 1e-12)
  t.ok(Math.abs(up.p - down.p) < 1e-12)
  t.ok(up.low > 1.15 && up.low < up.ratio && up.high < 1.35)
})

t.test('one pair has no verdict', async (t) => {
  t.match(pairedEffect([2]), { pairs: 1, ratio: 2, p: 1, high: Infinity })
  t.match(pairedEffect([]), { pairs: 0, ratio: 1, p: 1 })
  t.match(judge([{ effect: pairedEffect([2, 2.1]) }]), [{ verdict: 'refused' }])
})

t.test('without spread the effect is certain', async (t) => {
  t.match(pairedEffect([1, 1, 1]), { ratio: 1, p: 1 })
  t.match(pairedEffect([2, 2, 2]), { p: 0 })
})

t.test('means and medians', async (t) => {
  t.ok(Math.abs(geometricMean([1, 100]) - 10) < 1e-9)
  t.equal(median([3, 1, 2]), 2)
  t.equal(median([4, 1, 2, 3]), 2.5)
})

/** Simulated boots: a common drift, noise of 3 %, and 4 % of boots that are 15 % slower. */
function simulatePairs(random: () => number, pairs: number, effect: number): number[] {
  let drift = 0
  const boot = () => {
    drift += 0.004 * gaussian(random)
    return Math.exp(drift + 0.03 * gaussian(random) - (random() < 0.04 ? 0.15 : 0))
  }
  return Array.from({ length: pairs }, (_, round) => {
    if (round % 2 === 0) {
      const a = boot() * effect
      return a / boot()
    }
    const b = boot()
    return (boot() * effect) / b
  })
}

t.test('two identical variants get "no difference" in at least 19 of 20 comparisons', async (t) => {
  for (let seed = 1; seed <= 20; seed++) {
    const random = createRandom(seed)
    const family = Array.from({ length: 20 }, () => ({ effect: pairedEffect(simulatePairs(random, 5, 1)) }))
    const same = judge(family).filter(({ verdict }) => verdict === 'no difference').length
    t.ok(same >= 19, `seed ${seed}: ${same} of 20`)
  }
})

t.test('the 95 % interval contains the true ratio in about 95 of 100 runs', async (t) => {
  const random = createRandom(7)
  let inside = 0
  for (let i = 0; i < 1000; i++) {
    const { low, high } = pairedEffect(
      Array.from({ length: 5 }, () => Math.exp(0.2 + 0.05 * gaussian(random))),
    )
    if (low <= Math.exp(0.2) && Math.exp(0.2) <= high) inside++
  }
  t.ok(inside >= 930 && inside <= 970, `${inside} of 1000`)
})

t.test('a planted slow-down of 10 % is detected among 19 comparisons without one', async (t) => {
  let found = 0
  for (let seed = 1; seed <= 20; seed++) {
    const random = createRandom(seed)
    const family = Array.from({ length: 20 }, (_, i) => ({
      planted: i === 11,
      effect: pairedEffect(simulatePairs(random, 12, i === 11 ? 0.9 : 1)),
    }))
    const verdicts = judge(family)
    if (verdicts.find(({ item }) => item.planted)?.verdict === 'worse') found++
    t.ok(verdicts.filter(({ item, verdict }) => !item.planted && verdict !== 'no difference').length <= 1)
  }
  t.ok(found >= 16, `found in ${found} of 20 runs`)
})

t.test('the smallest detectable effect is detected in about 4 runs of 5', async (t) => {
  const random = createRandom(3)
  const [spread, pairs] = [0.05, 6]
  const sample = (effect: number) =>
    pairedEffect(Array.from({ length: pairs }, () => effect * Math.exp(spread * gaussian(random))))
  const typical = median(Array.from({ length: 200 }, () => sample(1).detectable))
  let seen = 0
  for (let i = 0; i < 1000; i++) if (sample(typical).low > 1) seen++
  t.ok(seen > 700 && seen < 900, `${seen} of 1000`)
})

t.test('two runs are compared without pairing', async (t) => {
  const random = createRandom(5)
  const boots = (rate: number, count: number) =>
    Array.from({ length: count }, () => rate * Math.exp(0.02 * gaussian(random)))
  const effect = unpairedEffect(boots(1000, 6), boots(900, 8))
  t.ok(effect.low < 0.9 && effect.high > 0.9 && effect.high < 1)
  t.ok(unpairedEffect(boots(1000, 6), boots(1000, 6)).p > 0.01)
})
