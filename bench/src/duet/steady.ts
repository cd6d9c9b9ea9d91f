import { mean } from '../stats/effect.ts'

/** Slices of each of the two halves that are compared. */
const WINDOW = 3
const TOLERANCE = 0.03

/**
 * Whether a process has stopped to become faster: its last three slices are at most 3 % faster than the three before.
 *
 * Only a gain counts as unsteady. A machine that other programs slow down makes rates fall and rise; a compiler that still
 * optimises makes them rise only.
 *
 * @param rates requests a second of each slice since the start of the process
 */
export function isSteady(rates: readonly number[]): boolean {
  if (rates.length < 2 * WINDOW) return false
  return mean(rates.slice(-WINDOW)) <= mean(rates.slice(-2 * WINDOW, -WINDOW)) * (1 + TOLERANCE)
}
