import { median } from '../stats/effect.ts'

/** Slices of each of the two halves that are compared. */
const WINDOW = 3
/** With fewer slices nothing can be said. */
export const MINIMUM_SLICES = 2 * WINDOW
const TOLERANCE = 0.05

/**
 * Whether a process has stopped to become faster: the median of its last three slices is at most 5 % above that of the three before.
 *
 * Only a gain counts as unsteady. A machine that other programs slow down makes rates fall and rise; a compiler that still
 * optimises makes them rise only.
 *
 * @param rates requests a second of each slice since the start of the process
 */
export function isSteady(rates: readonly number[]): boolean {
  if (rates.length < MINIMUM_SLICES) return false
  return median(rates.slice(-WINDOW)) <= median(rates.slice(-MINIMUM_SLICES, -WINDOW)) * (1 + TOLERANCE)
}
