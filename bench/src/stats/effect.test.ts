import { createRandom } from '@reference/async/testing'
import t from 'tap'
import { gaussian } from '../../testing/sample-results.ts'
import {
  type BootEffect,
  bootEffect,
  dispersionOf,
  type Effect,
  effectOf,
  effectOfBoots,
  effectOfTurns,
  effectWithinBoot,
  geometricMean,
  mean,
  median,
  unpairedEffect,
} from './effect.ts'
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
  const [up, down] = [effectOfBoots(ratios), effectOfBoots(ratios.map((ratio) => 1 / ratio))]
  t.ok(Math.abs(up.ratio * down.ratio - 1) < 1e-12)
  t.ok(Math.abs(up.low * down.high - 1) < 1e-12)
  t.ok(Math.abs(up.p - down.p) < 1e-12)
  t.ok(up.low > 1.15 && up.low < up.ratio && up.high < 1.35)
})

t.test('the interval within a boot contains the true ratio in about 95 of 100 boots', async (t) => {
  t.equal(effectWithinBoot([1, 1.1, 0.9]), undefined)
  const random = createRandom(20_261_129)
  const boots = 1000
  const covered = Array.from({ length: boots }, () => {
    const ratios = Array.from({ length: 40 }, () => Math.exp(0.3 + 0.05 * gaussian(random)))
    const effect = effectWithinBoot(ratios)
    return effect !== undefined && effect.low < Math.exp(0.3) && effect.high > Math.exp(0.3)
  }).filter(Boolean).length
  t.ok(covered > 0.925 * boots && covered < 0.97 * boots, `${covered} of ${boots}`)
})

t.test('one boot has no verdict', async (t) => {
  t.match(effectOfBoots([2]), { boots: 1, ratio: 2, p: 1, low: 0, high: Infinity })
  t.match(effectOfBoots([]), { boots: 0, ratio: 1, p: 1 })
  t.match(judge([{ effect: effectOfBoots([2, 2.1]) }]), [{ verdict: 'refused' }])
})

t.test('without spread the effect is certain', async (t) => {
  t.match(effectOfBoots([1, 1, 1]), { ratio: 1, p: 1 })
  t.match(effectOfBoots([2, 2, 2]), { p: 0 })
})

t.test('the interval of a textbook sample is Student’s', async (t) => {
  // Logarithms 0.1, 0.2 and 0.3: 0.2 ± 4.3027 × 0.1 / √3.
  const turns = (log: number) => Array.from({ length: 6 }, () => Math.exp(log))
  const { low, high } = effectOfTurns([0.1, 0.2, 0.3].map(turns))
  t.ok(Math.abs(Math.log(high) - (0.2 + (4.3027 * 0.1) / Math.sqrt(3))) < 1e-4)
  t.ok(Math.abs(Math.log(low) - (0.2 - (4.3027 * 0.1) / Math.sqrt(3))) < 1e-4)
})

t.test('a boot is the trimmed mean of its turns, with the variance of its winsorised turns', async (t) => {
  const logs = [-3, 0.1, 0.1, 0.2, 0.3, 0.3, 0.2, 0.2, 0.2, 4]
  const effect = bootEffect(logs.map(Math.exp))
  // Two of ten are cut at each end: 0.1, 0.2, 0.2, 0.2, 0.2, 0.3.
  t.ok(Math.abs((effect?.log ?? 0) - 0.2) < 1e-12)
  // Winsorised: 0.1 three times, 0.2 four times, 0.3 three times; sample variance 0.06 / 9.
  t.ok(Math.abs((effect?.variance ?? 0) - 0.06 / 9 / (0.6 ** 2 * 10)) < 1e-12)
  t.equal(bootEffect([]), undefined)
})

t.test('boots that agree by chance do not hide the noise of their turns', async (t) => {
  const noisy = [0.8, 1.25, 0.8, 1.25]
  const { low, high } = effectOfTurns([noisy, noisy, noisy])
  t.ok(low < 0.75 && high > 1.3, `${low} to ${high}`)
})

t.test('means and medians', async (t) => {
  t.ok(Math.abs(geometricMean([1, 100]) - 10) < 1e-9)
  t.equal(median([3, 1, 2]), 2)
  t.equal(median([4, 1, 2, 3]), 2.5)
})

interface Levels {
  /** True logarithm of the ratio. */
  readonly effect: number
  /** Standard deviations of the logarithms. */
  readonly betweenBoots: number
  readonly withinBoots: number
  /** Share of turns in which the speed of the core changed by a factor of two. */
  readonly jumps?: number
}

function simulate(random: () => number, boots: number, turns: number, levels: Levels): BootEffect[] {
  const { effect, betweenBoots, withinBoots, jumps = 0 } = levels
  return Array.from({ length: boots }, () => {
    const boot = effect + betweenBoots * gaussian(random)
    const turn = () => {
      const jump = random() < jumps ? (random() < 0.5 ? -0.7 : 0.7) : 0
      return Math.exp(boot + withinBoots * gaussian(random) + jump)
    }
    return bootEffect(Array.from({ length: turns }, turn))
  }).filter((effect) => effect !== undefined)
}

/** Comparisons of one run. */
function simulateRun(
  random: () => number,
  comparisons: number,
  boots: number,
  levels: (i: number) => Levels,
) {
  const run = Array.from({ length: comparisons }, (_, i) => simulate(random, boots, 40, levels(i)))
  return run.map((effects) => ({
    effect: effectOf(effects, dispersionOf(run.filter((other) => other !== effects))),
  }))
}

t.test(
  'the interval contains the true ratio in at least 93 of 100 comparisons, whatever level is noisy',
  async (t) => {
    const cases: Levels[] = [
      { effect: 0.1, betweenBoots: 0.03, withinBoots: 0.01 },
      { effect: 0.1, betweenBoots: 0.01, withinBoots: 0.1, jumps: 0.1 },
      { effect: -0.5, betweenBoots: 0, withinBoots: 0.1 },
    ]
    for (const levels of cases) {
      for (const boots of [3, 6]) {
        const random = createRandom(11)
        const all = Array.from({ length: 60 }, () => simulateRun(random, 12, boots, () => levels)).flat()
        const inside = all.filter(
          ({ effect: { low, high } }) => low <= Math.exp(levels.effect) && Math.exp(levels.effect) <= high,
        )
        const share = inside.length / all.length
        t.ok(share >= 0.93, `${share} with ${boots} boots, ${JSON.stringify(levels)}`)
      }
    }
  },
)

t.test('comparisons whose boots differ more than those of the others keep their coverage', async (t) => {
  const random = createRandom(13)
  const between = (i: number) => (i % 4 === 0 ? 0.04 : 0.01)
  const runs = Array.from({ length: 120 }, () =>
    simulateRun(random, 12, 4, (i) => ({ effect: 0, betweenBoots: between(i), withinBoots: 0.1 })),
  )
  const inside = runs.flat().filter(({ effect: { low, high } }) => low <= 1 && high >= 1).length
  t.ok(inside / runs.flat().length >= 0.92, `${inside / runs.flat().length}`)
})

t.test('one turn a boot says nothing about the spread of the turns', async (t) => {
  const boots = [1.1, 1.2, 1.3].map((ratio) => bootEffect([ratio]))
  t.ok(boots.every((boot) => boot?.variance === undefined))
  const effects = boots.filter((boot) => boot !== undefined)
  t.same(effectOf(effects, { factor: 1, degrees: 30 }), effectOfBoots([1.1, 1.2, 1.3]))
})

t.test('the interval is about half as wide as Student’s with three boots', async (t) => {
  const random = createRandom(5)
  const levels = { effect: 0, betweenBoots: 0.01, withinBoots: 0.1 }
  const widthOf = ({ low, high }: Effect) => Math.log(high / low)
  const runs = Array.from({ length: 40 }, () =>
    Array.from({ length: 12 }, () => simulate(random, 3, 40, levels)),
  )
  const moderated = runs.flatMap((run) =>
    run.map((boots) => widthOf(effectOf(boots, dispersionOf(run.filter((other) => other !== boots))))),
  )
  const plain = runs.flatMap((run) =>
    run.map((boots) => widthOf(effectOf(boots.map(({ log }) => ({ log, variance: undefined }))))),
  )
  t.ok(mean(moderated) < 0.7 * mean(plain), `${mean(moderated)} against ${mean(plain)}`)
})

t.test('identical variants get "no difference" in at least 19 of 20 comparisons', async (t) => {
  let different = 0
  for (let seed = 1; seed <= 20; seed++) {
    const levels = { effect: 0, betweenBoots: 0.01, withinBoots: 0.1, jumps: 0.1 }
    const family = judge(simulateRun(createRandom(seed), 20, 3, () => levels))
    different += family.filter(({ verdict }) => verdict !== 'no difference').length
  }
  t.ok(different <= 20, `${different} of 400`)
})

t.test('a planted slow-down of 5 % is detected among 11 comparisons without one', async (t) => {
  let found = 0
  for (let seed = 1; seed <= 20; seed++) {
    const family = simulateRun(createRandom(seed), 12, 4, (i) => ({
      effect: i === 7 ? -0.05 : 0,
      betweenBoots: 0.008,
      withinBoots: 0.06,
    }))
    const verdicts = judge(family)
    if (verdicts[7]?.verdict === 'worse') found++
    t.ok(verdicts.filter(({ verdict }, i) => i !== 7 && verdict !== 'no difference').length <= 1)
  }
  t.ok(found >= 16, `found in ${found} of 20 runs`)
})

t.test('the smallest detectable effect is detected in about 4 runs of 5', async (t) => {
  const random = createRandom(3)
  const [spread, boots] = [0.05, 6]
  const sample = (effect: number) =>
    effectOfBoots(Array.from({ length: boots }, () => effect * Math.exp(spread * gaussian(random))))
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
