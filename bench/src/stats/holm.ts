/**
 * Holm's step-down correction: p-values that may all be held against the same level at once.
 *
 * With twenty comparisons at 5 % one would be "significant" by chance; after this, the chance that any is stays at 5 %.
 *
 * @returns the adjusted p-values, in the order of the input
 */
export function holm(pValues: readonly number[]): number[] {
  const order = pValues.map((p, index) => ({ p, index })).sort((a, b) => a.p - b.p)
  const adjusted = new Array<number>(pValues.length)
  let floor = 0
  order.forEach(({ p, index }, rank) => {
    floor = Math.max(floor, Math.min(1, p * (pValues.length - rank)))
    adjusted[index] = floor
  })
  return adjusted
}
