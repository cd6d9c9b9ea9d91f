/** A number with at most this number of digits after the point. */
export function rounded(value: number, digits: number): number {
  return Number(value.toFixed(digits))
}
