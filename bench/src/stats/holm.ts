/**
 * Holm's step-down correction for multiple comparisons.
 *
 * Of twenty comparisons at a level of 5 % one is "significant" by chance. After the correction the chance of even one such
 * false result in the whole family is 5 %.
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
