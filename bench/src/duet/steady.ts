import { bootEffect } from '../stats/effect.ts'

/** Turns below which drift looks like noise. */
const MINIMUM_TURNS = 8
const TOLERANCE = 0.03
/** Standard errors of the difference of two halves that noise explains. */
const ERRORS = 3

/**
 * Whether two sides no longer change against each other: the earlier and the later half of their turns show the same ratio,
 * within 3 % or within three standard errors.
 *
 * The ratio, not the rate: on a shared machine the rate of an unchanged process moves by a factor of two within seconds, and
 * both sides move alike.
 *
 * @param ratios of the turns, in their order
 */
export function isSteady(ratios: readonly number[]): boolean {
  if (ratios.length < MINIMUM_TURNS) return true
  const half = ratios.length >> 1
  const [earlier, later] = [bootEffect(ratios.slice(0, half)), bootEffect(ratios.slice(half))]
  if (earlier === undefined || later === undefined) return true
  const error = Math.sqrt((earlier.variance ?? 0) + (later.variance ?? 0))
  return Math.abs(later.log - earlier.log) <= Math.max(Math.log1p(TOLERANCE), ERRORS * error)
}
