import type { Effect } from './effect.ts'
import { holm } from './holm.ts'

type Verdict = 'better' | 'worse' | 'no difference' | 'refused'

/** With fewer boots the interval is too wide for any verdict. */
export const MINIMUM_BOOTS = 3

interface Judged<T> {
  readonly item: T
  /** p-value after Holm's correction over all items. */
  readonly pHolm: number
  readonly verdict: Verdict
}

/** Judges a family of comparisons together. A refused item gets no verdict and does not count in the correction. */
export function judge<T extends { readonly effect: Effect; readonly refused?: string | undefined }>(
  items: readonly T[],
  level = 0.05,
): Judged<T>[] {
  const counted = items.filter((item) => item.refused === undefined && item.effect.boots >= MINIMUM_BOOTS)
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
