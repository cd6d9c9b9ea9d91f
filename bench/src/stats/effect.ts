import { studentQuantile, twoSidedP } from './student-t.ts'

/** The effect of a change as a ratio (1: no effect) with its uncertainty. */
export interface Effect {
  /** Pairs (paired) or boots of the smaller side (unpaired). */
  readonly pairs: number
  readonly ratio: number
  /** 95 % interval of the ratio. */
  readonly low: number
  readonly high: number
  /** Two-sided p-value of "the ratio is 1"; 1 when it cannot be computed. */
  readonly p: number
  /** The smallest ratio above 1 that samples with this spread would show in 4 runs of 5. */
  readonly detectable: number
}

const CONFIDENCE = 0.975
const POWER = 0.8

/**
 * Effect over pairs: the mean of the logarithms of the ratios, and a t interval around it.
 *
 * Logarithms, because a speed-up of 2 and a slow-down of 2 are equally far from no effect, and because ratios of rates
 * are skewed while their logarithms are close to normal.
 *
 * @param ratios one ratio per pair of boots, each > 0
 */
export function pairedEffect(ratios: readonly number[]): Effect {
  const logs = ratios.map(Math.log)
  const n = logs.length
  if (n < 2) return unknownEffect(n, mean(logs))
  return effectOf(mean(logs), deviation(logs) / Math.sqrt(n), n - 1, n)
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
  const pairs = Math.min(a.length, b.length)
  const centre = mean(b) - mean(a)
  if (pairs < 2) return unknownEffect(pairs, centre)
  const [va, vb] = [deviation(a) ** 2 / a.length, deviation(b) ** 2 / b.length]
  const degrees = (va + vb) ** 2 / (va ** 2 / (a.length - 1) + vb ** 2 / (b.length - 1))
  return effectOf(centre, Math.sqrt(va + vb), Number.isFinite(degrees) ? degrees : pairs - 1, pairs)
}

/** One sample or none: a ratio at most, and no interval. */
function unknownEffect(pairs: number, centre: number): Effect {
  const ratio = pairs === 0 ? 1 : Math.exp(centre)
  return { pairs, ratio, low: 0, high: Infinity, p: 1, detectable: Infinity }
}

function effectOf(centre: number, error: number, degrees: number, pairs: number): Effect {
  const half = studentQuantile(CONFIDENCE, degrees) * error
  const p = error === 0 ? (centre === 0 ? 1 : 0) : twoSidedP(centre / error, degrees)
  const detectable = (studentQuantile(CONFIDENCE, degrees) + studentQuantile(POWER, degrees)) * error
  return {
    pairs,
    ratio: Math.exp(centre),
    low: Math.exp(centre - half),
    high: Math.exp(centre + half),
    p,
    detectable: Math.exp(detectable),
  }
}

export function mean(values: readonly number[]): number {
  return values.length === 0 ? 0 : values.reduce((sum, value) => sum + value, 0) / values.length
}

/** Sample standard deviation (n − 1); 0 for fewer than two values. */
function deviation(values: readonly number[]): number {
  if (values.length < 2) return 0
  const centre = mean(values)
  return Math.sqrt(values.reduce((sum, value) => sum + (value - centre) ** 2, 0) / (values.length - 1))
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
