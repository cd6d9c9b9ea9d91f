import { mean } from '../stats/effect.ts'
import { studentQuantile } from '../stats/student-t.ts'

/** How many times more one side does than the other, with a 95 % interval. */
export interface DuetEffect {
  readonly boots: number
  readonly ratio: number
  readonly low: number
  /** Infinite with a single boot: one boot says nothing about the next one. */
  readonly high: number
}

const CONFIDENCE = 0.975

/**
 * The effect over several boots, each with several turns.
 *
 * A process decides at its start what its speed will be (layout of memory, order of compilation), so turns of one boot are no
 * independent samples. The estimate is the mean over the boots of each boot's mean logarithm. Its variance has two
 * levels: between the boots, and between the turns within a boot. The variance of the boots' means contains both; where few
 * boots agree by chance, the turns alone give a larger variance, and the larger one is used. The interval is Student's t with
 * one degree of freedom less than there are boots.
 *
 * Sources: L. Bulej et al., "Duet Benchmarking" (ICPE 2020): both sides alive at once, the ratio within a pair of short
 * slices. T. Kalibera and R. Jones, "Rigorous Benchmarking in Reasonable Time" (ISMM 2013), section 9: intervals over levels of
 * repetition. Node's `benchmark/compare.js`: fresh processes, alternated.
 *
 * @param boots for each boot the ratios of its turns, each > 0
 */
export function duetEffect(boots: readonly (readonly number[])[]): DuetEffect {
  const logs = boots.filter((turns) => turns.length > 0).map((turns) => turns.map(Math.log))
  const means = logs.map(mean)
  const centre = mean(means)
  const n = logs.length
  if (n < 2) return { boots: n, ratio: Math.exp(centre), low: 0, high: Infinity }
  const betweenBoots = variance(means) / n
  const withinBoots = logs.reduce((sum, turns) => sum + variance(turns) / turns.length, 0) / n ** 2
  const half = studentQuantile(CONFIDENCE, n - 1) * Math.sqrt(Math.max(betweenBoots, withinBoots))
  return { boots: n, ratio: Math.exp(centre), low: Math.exp(centre - half), high: Math.exp(centre + half) }
}

/** Sample variance (n − 1); 0 for fewer than two values. */
function variance(values: readonly number[]): number {
  if (values.length < 2) return 0
  const centre = mean(values)
  return values.reduce((sum, value) => sum + (value - centre) ** 2, 0) / (values.length - 1)
}
