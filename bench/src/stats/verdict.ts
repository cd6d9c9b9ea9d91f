import type { Effect } from './effect.ts'
import { holm } from './holm.ts'

export type Verdict = 'better' | 'worse' | 'no difference' | 'refused'

/** Fewer pairs than this give intervals too wide for any verdict. */
export const leastPairs = 3

export interface Judged<T> {
  readonly item: T
  /** p-value after Holm's correction over all items. */
  readonly pHolm: number
  readonly verdict: Verdict
}

/**
 * Judges a family of comparisons together. An item with a reason to be refused gets no verdict and takes no part in
 * the correction.
 */
export function judge<T extends { readonly effect: Effect; readonly refused?: string | undefined }>(
  items: readonly T[],
  level = 0.05,
): Judged<T>[] {
  const counted = items.filter((item) => item.refused === undefined && item.effect.pairs >= leastPairs)
  const adjusted = holm(counted.map(({ effect }) => effect.p))
  return items.map((item) => {
    const index = counted.indexOf(item)
    if (index < 0) return { item, pHolm: 1, verdict: 'refused' }
    const pHolm = adjusted[index] ?? 1
    return {
      item,
      pHolm,
      verdict: pHolm >= level ? 'no difference' : item.effect.ratio > 1 ? 'better' : 'worse',
    }
  })
}
