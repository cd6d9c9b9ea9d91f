/** Number of rows in the database. Scenarios derive their requests from it. */
export interface Dataset {
  readonly users: number
  readonly products: number
  readonly orders: number
}

/** Ids from 1 to `limit` in a scattered order that is the same in every run (a full-period step). */
export function scatteredIds(limit: number, count = limit): number[] {
  let step = Math.max(1, Math.floor(limit * 0.618))
  while (greatestCommonDivisor(step, limit) !== 1) step++
  return Array.from({ length: Math.min(count, limit) }, (_, i) => ((i * step) % limit) + 1)
}

function greatestCommonDivisor(a: number, b: number): number {
  return b === 0 ? a : greatestCommonDivisor(b, a % b)
}
