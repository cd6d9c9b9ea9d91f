import { cpuMsOf, type Slice } from '../src/duet/slice.ts'
import { mergeHistograms, percentilesOf } from '../src/stats/histogram.ts'
import { rounded } from '../src/stats/rounded.ts'
import type { PacedSlice } from './copy.ts'
import type { Figures } from './protocol.ts'

/** Percentiles of several slices in ms; null without a slice. */
export function latenciesOf(histograms: readonly string[]): Pick<Figures, 'p50' | 'p99'> {
  if (histograms.length === 0) return { p50: null, p99: null }
  const { p50, p99 } = percentilesOf(mergeHistograms(histograms))
  return { p50: rounded(p50, 3), p99: rounded(p99, 3) }
}

/** At the maximum rate; without a closed loop at the fixed rate. */
export function cpuMicrosOf(slices: readonly Slice[], paced: readonly PacedSlice[]): number | null {
  const parts = slices.length > 0 ? slices : paced.map(({ sent, cpuMs }) => ({ answered: sent, cpuMs }))
  const known = parts.filter(({ cpuMs }) => cpuMs !== undefined)
  const ms = cpuMsOf({
    cpuMs: known.reduce((sum, part) => sum + (part.cpuMs ?? 0), 0),
    answered: known.reduce((sum, part) => sum + part.answered, 0),
  })
  return ms === undefined ? null : rounded(ms * 1000, 1)
}

const TIERS = ['l1', 'l2', 'miss', 'off'] as const

/** Shares of the replies that name a tier. */
export function tiersOf(paced: readonly Pick<PacedSlice, 'cache'>[]): Figures['tiers'] {
  const count = (tier: string) => paced.reduce((sum, { cache }) => sum + (cache[tier] ?? 0), 0)
  const total = TIERS.reduce((sum, tier) => sum + count(tier), 0)
  if (total === 0) return null
  const share = (tier: string) => rounded(count(tier) / total, 4)
  return { l1: share('l1'), l2: share('l2'), miss: share('miss'), off: share('off') }
}

export function failuresOf(paced: readonly Pick<PacedSlice, 'failures'>[]): Record<string, number> {
  const sums: Record<string, number> = {}
  for (const { failures } of paced) {
    for (const [reason, count] of Object.entries(failures)) sums[reason] = (sums[reason] ?? 0) + count
  }
  return sums
}
