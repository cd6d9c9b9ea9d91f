import { studentQuantile, twoSidedP } from './student-t.ts'

/** The effect of a change as a ratio (1: no effect) with its uncertainty. */
export interface Effect {
  /** Boots that count; of the smaller side where two runs are compared. */
  readonly boots: number
  readonly ratio: number
  /** 95 % interval of the ratio. */
  readonly low: number
  readonly high: number
  /** Two-sided p-value of "the ratio is 1"; 1 when it cannot be computed. */
  readonly p: number
  /** The smallest ratio above 1 that samples with this spread would show in 4 runs of 5. */
  readonly detectable: number
}

/** The effect that one boot shows. */
export interface BootEffect {
  /** Logarithm of the ratio. */
  readonly log: number
  /** Variance of `log` by the spread of the turns of the boot; undefined for a figure of the boot as a whole. */
  readonly variance: number | undefined
}

/** How much more the boots of a run differ than the spread of their turns explains. */
export interface Dispersion {
  /** Variance between boots divided by the variance that the turns explain; 1 and more. */
  readonly factor: number
  /** Degrees of freedom of the factor. */
  readonly degrees: number
}

const UPPER_QUANTILE = 0.975
const POWER = 0.8
/** Share of the turns that is cut off at each end. */
const TRIM = 0.2
/** Turns below which their spread says too little. */
const MINIMUM_TURNS = 4
/**
 * Weight of the run's dispersion against a comparison's own, in degrees of freedom. Fixed, where Smyth estimates it: a run has too
 * few comparisons for an estimate. Over the 30 recorded boots of ten set-ups (`testing/recorded-a-a.json`) his estimate is 18. With 8, which is
 * cautious, 3.0 % of the intervals of three boots exclude 1 although the sides are identical, where 5 % are allowed; with 4 it was 1.7 %, and a
 * slow-down of 5 % had a verdict in 8 % of the cases instead of 21 %. A comparison whose boots differ more than the run's average still has a
 * wider interval.
 */
const SHARED_DEGREES = 8

/**
 * The effect within one boot: the trimmed mean of the logarithms of the ratios of its turns.
 *
 * Logarithms, because a speed-up of 2 and a slow-down of 2 are equally far from no effect. Trimmed, because the speed of a shared
 * core changes by a factor of two within a second: a turn in which it changed says nothing about the sides. Over eight boots of
 * identical sides with 80 turns each, the trimmed means had a standard deviation of 0.9 %, the plain means one of 1.6 %.
 *
 * Source of the variance: J. W. Tukey and D. H. McLaughlin, "Less vulnerable confidence and significance procedures for location
 * based on a single sample", Sankhyā A 25 (1963): the winsorised variance.
 *
 * @param ratios one ratio a turn, each > 0
 * @returns undefined without a turn
 */
export function bootEffect(ratios: readonly number[]): BootEffect | undefined {
  const n = ratios.length
  if (n === 0) return undefined
  const logs = ratios.map(Math.log).sort((a, b) => a - b)
  const cut = Math.floor(TRIM * n)
  const kept = logs.slice(cut, n - cut)
  if (n < MINIMUM_TURNS) return { log: mean(kept), variance: undefined }
  const [lowest = 0, highest = 0] = [kept[0], kept.at(-1)]
  const winsorised = logs.map((log) => Math.min(Math.max(log, lowest), highest))
  return { log: mean(kept), variance: variance(winsorised) / ((1 - (2 * cut) / n) ** 2 * n) }
}

/**
 * The effect within one boot with an interval over its turns, for a figure that is shown while it is measured. It contains nothing of
 * the difference between boots, which is 1 to 2 %: for a verdict use {@link effectOf}.
 *
 * Source: Tukey and McLaughlin, as for {@link bootEffect}: the trimmed mean has Student's t with h − 1 degrees of freedom, h being the
 * number of turns that are not cut off.
 *
 * @param ratios one ratio a turn, each > 0
 * @returns undefined below four turns
 */
export function effectWithinBoot(ratios: readonly number[]): Effect | undefined {
  const effect = bootEffect(ratios)
  if (effect?.variance === undefined) return undefined
  const kept = ratios.length - 2 * Math.floor(TRIM * ratios.length)
  return intervalOf(effect.log, Math.sqrt(effect.variance), kept - 1, 1)
}

/**
 * The dispersion that other comparisons of a run show. One comparison has too few boots to know how much boots differ: with three
 * the interval of Student's t is twice as wide as with ten.
 *
 * @param others without the comparison that it is for, and without comparisons that share its measurements
 */
export function dispersionOf(others: readonly (readonly BootEffect[])[]): Dispersion {
  let weighted = 0
  let degrees = 0
  for (const boots of others) {
    const within = withinVariance(boots)
    if (boots.length < 2 || within === undefined) continue
    weighted += (boots.length - 1) * (variance(boots.map(({ log }) => log)) / within)
    degrees += boots.length - 1
  }
  return { factor: degrees === 0 ? 1 : Math.max(1, weighted / degrees), degrees }
}

/**
 * The effect over boots: their mean, and an interval that accounts for both levels, turns within boots and boots.
 *
 * A process decides at its start what its speed will be (layout of memory, order of compilation), so that turns of one boot are
 * no independent samples; the variance of the boots' means contains both levels. With few boots that variance is itself unknown,
 * so it is combined with what the whole run shows (`dispersion`), as in a moderated t statistic; it is never less than what the
 * turns alone give.
 *
 * Sources: L. Bulej et al., "Duet Benchmarking" (ICPE 2020): both sides alive at once, ratios of short slices. T. Kalibera and
 * R. Jones, "Rigorous Benchmarking in Reasonable Time" (ISMM 2013), section 9: intervals over levels of repetition. G. K. Smyth,
 * "Linear Models and Empirical Bayes Methods" (SAGMB 2004): the moderated t. Node's `benchmark/compare.js`: fresh processes,
 * alternated.
 *
 * @param dispersion of the other comparisons of the run; default: these boots alone
 */
export function effectOf(boots: readonly BootEffect[], dispersion?: Dispersion): Effect {
  const n = boots.length
  const logs = boots.map(({ log }) => log)
  const centre = mean(logs)
  if (n < 2) return unknownEffect(n, centre)
  const own = variance(logs)
  const within = withinVariance(boots)
  if (within === undefined) return intervalOf(centre, Math.sqrt(own / n), n - 1, n)
  const shared = Math.min(SHARED_DEGREES, dispersion?.degrees ?? 0)
  const degrees = n - 1 + shared
  const moderated = ((n - 1) * own + shared * (dispersion?.factor ?? 1) * within) / degrees
  return intervalOf(centre, Math.sqrt(Math.max(moderated, within) / n), degrees, n)
}

/** Mean and interval of one figure of each boot, each > 0. */
export function effectOfBoots(values: readonly number[]): Effect {
  return effectOf(values.map((value) => ({ log: Math.log(value), variance: undefined })))
}

/** The effect over boots, each with the ratios of its turns. */
export function effectOfTurns(boots: readonly (readonly number[])[]): Effect {
  return effectOf(boots.flatMap((ratios) => bootEffect(ratios) ?? []))
}

/**
 * Effect of two independent sets of boots (another run, another day): Welch's t on the logarithms.
 *
 * @param before values of the old boots, each > 0
 * @param after values of the new boots, each > 0
 * @returns the ratio after / before
 */
export function unpairedEffect(before: readonly number[], after: readonly number[]): Effect {
  const [a, b] = [before.map(Math.log), after.map(Math.log)]
  const boots = Math.min(a.length, b.length)
  const centre = mean(b) - mean(a)
  if (boots < 2) return unknownEffect(boots, centre)
  const [va, vb] = [variance(a) / a.length, variance(b) / b.length]
  const degrees = (va + vb) ** 2 / (va ** 2 / (a.length - 1) + vb ** 2 / (b.length - 1))
  return intervalOf(centre, Math.sqrt(va + vb), Number.isFinite(degrees) ? degrees : boots - 1, boots)
}

/** One boot or none: a ratio at most, and no interval. */
function unknownEffect(boots: number, centre: number): Effect {
  return { boots, ratio: Math.exp(centre), low: 0, high: Infinity, p: 1, detectable: Infinity }
}

function intervalOf(centre: number, error: number, degrees: number, boots: number): Effect {
  const half = studentQuantile(UPPER_QUANTILE, degrees) * error
  const p = error === 0 ? (centre === 0 ? 1 : 0) : twoSidedP(centre / error, degrees)
  const detectable = (studentQuantile(UPPER_QUANTILE, degrees) + studentQuantile(POWER, degrees)) * error
  return {
    boots,
    ratio: Math.exp(centre),
    low: Math.exp(centre - half),
    high: Math.exp(centre + half),
    p,
    detectable: Math.exp(detectable),
  }
}

/** Mean variance of the boots by their turns; undefined for figures of whole boots, and for turns without any spread. */
function withinVariance(boots: readonly BootEffect[]): number | undefined {
  const known = boots.flatMap(({ variance }) => variance ?? [])
  return known.length < boots.length || known.every((each) => each === 0) ? undefined : mean(known)
}

export function mean(values: readonly number[]): number {
  return values.length === 0 ? 0 : values.reduce((sum, value) => sum + value, 0) / values.length
}

/** Sample variance (n − 1); 0 for fewer than two values. */
function variance(values: readonly number[]): number {
  if (values.length < 2) return 0
  const centre = mean(values)
  return values.reduce((sum, value) => sum + (value - centre) ** 2, 0) / (values.length - 1)
}

export function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b)
  const middle = sorted.length >> 1
  const upper = sorted[middle] ?? 0
  return sorted.length % 2 === 1 ? upper : ((sorted[middle - 1] ?? upper) + upper) / 2
}

/** Geometric mean of positive values. */
export function geometricMean(values: readonly number[]): number {
  return values.length === 0 ? 0 : Math.exp(mean(values.map(Math.log)))
}
