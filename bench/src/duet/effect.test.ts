import { createRandom } from '@reference/async/testing'
import t from 'tap'
import { gaussian } from '../../testing/sample-results.ts'
import { duetEffect } from './effect.ts'

interface Levels {
  /** True logarithm of the ratio. */
  readonly effect: number
  /** Standard deviations of the logarithms. */
  readonly betweenBoots: number
  readonly withinBoots: number
}

function simulate(random: () => number, boots: number, turns: number, levels: Levels): number[][] {
  return Array.from({ length: boots }, () => {
    const boot = levels.effect + levels.betweenBoots * gaussian(random)
    return Array.from({ length: turns }, () => Math.exp(boot + levels.withinBoots * gaussian(random)))
  })
}

/** How many of 1,000 intervals contain the true ratio. */
function coverage(boots: number, turns: number, levels: Levels): number {
  const random = createRandom(11)
  let inside = 0
  for (let i = 0; i < 1000; i++) {
    const { low, high } = duetEffect(simulate(random, boots, turns, levels))
    if (low <= Math.exp(levels.effect) && Math.exp(levels.effect) <= high) inside++
  }
  return inside
}

t.test('the effect is the mean over boots of the mean logarithm of their turns', async (t) => {
  const { ratio, boots } = duetEffect([
    [2, 2],
    [8, 8, 8, 8],
  ])
  t.equal(boots, 2)
  t.ok(Math.abs(ratio - 4) < 1e-12, 'a boot with more turns has no more weight')
})

t.test('the interval of a textbook sample is Student’s', async (t) => {
  // Means of the logarithms 0.1, 0.2 and 0.3: 0.2 ± 4.3027 × 0.1 / √3.
  const { low, high } = duetEffect([0.1, 0.2, 0.3].map((log) => [Math.exp(log), Math.exp(log)]))
  t.ok(Math.abs(Math.log(high) - (0.2 + (4.3027 * 0.1) / Math.sqrt(3))) < 1e-4)
  t.ok(Math.abs(Math.log(low) - (0.2 - (4.3027 * 0.1) / Math.sqrt(3))) < 1e-4)
})

t.test('boots that agree by chance do not hide the noise of their turns', async (t) => {
  const noisy = [0.8, 1.25]
  const { low, high } = duetEffect([noisy, noisy, noisy])
  t.ok(low < 0.6 && high > 1.6, `${low} to ${high}`)
})

t.test('one boot has a ratio and no interval', async (t) => {
  t.match(duetEffect([[2, 2]]), { boots: 1, low: 0, high: Infinity })
  t.match(duetEffect([]), { boots: 0, ratio: 1, high: Infinity })
  t.match(duetEffect([[2], []]), { boots: 1 }, 'a boot without turns is none')
})

t.test('exchanging the sides inverts the interval', async (t) => {
  const boots = simulate(createRandom(3), 4, 6, { effect: 0.3, betweenBoots: 0.02, withinBoots: 0.05 })
  const [there, back] = [duetEffect(boots), duetEffect(boots.map((turns) => turns.map((ratio) => 1 / ratio)))]
  t.ok(Math.abs(there.low * back.high - 1) < 1e-12 && Math.abs(there.ratio * back.ratio - 1) < 1e-12)
})

t.test(
  'the interval contains the true ratio in at least 94 of 100 runs, whatever level is noisy',
  async (t) => {
    const cases: Levels[] = [
      { effect: 0.1, betweenBoots: 0.03, withinBoots: 0 },
      { effect: 0.1, betweenBoots: 0.03, withinBoots: 0.05 },
      { effect: -0.5, betweenBoots: 0, withinBoots: 0.05 },
    ]
    for (const levels of cases) {
      for (const boots of [3, 6]) {
        const inside = coverage(boots, 6, levels)
        t.ok(inside >= 935, `${inside} of 1000 with ${boots} boots, ${JSON.stringify(levels)}`)
      }
    }
    const exact = coverage(4, 6, { effect: 0, betweenBoots: 0.05, withinBoots: 0.02 })
    t.ok(exact >= 930 && exact <= 975, `${exact} of 1000: no wider than needed where boots differ`)
  },
)
