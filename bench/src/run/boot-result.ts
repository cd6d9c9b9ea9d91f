import type { DuetBoot, SideBoot } from '../duet/measure.ts'
import { cpuMsOf, type LatencySlice, meanCpuMs, rateOf, ratiosOf, type Slice, sumOf } from '../duet/slice.ts'
import type { BootResult } from '../report/schema.ts'
import type { DatabaseCosts } from '../stack/counters.ts'
import { type BootEffect, bootEffect, mean } from '../stats/effect.ts'
import { encodeHistogram, mergeHistograms, percentilesOf } from '../stats/histogram.ts'
import { rounded } from '../stats/rounded.ts'
import { objectionsTo } from '../stats/validity.ts'

/** Figures of a variant that its slices do not have. */
export interface VariantFigures {
  /** Requests are sent at a fixed rate in place of a closed loop: there is no throughput. */
  readonly isPaced: boolean
  readonly rssBytes: number
  readonly responseBytes: number
  readonly costs: DatabaseCosts
}

/** For a deployment on another machine, whose databases are not reachable. */
export const UNKNOWN_SERVER: Omit<VariantFigures, 'responseBytes'> = {
  isPaced: false,
  rssBytes: 0,
  costs: { statements: 0, commands: 0, statementsByText: {}, commandsByName: {}, redisBytes: 0 },
}

/** A side that was not measured. */
export const NO_SLICES: SideBoot = { steady: false, warmUpSlices: 0, slices: [], paced: [] }

/**
 * The results of one variant in one boot.
 *
 * @param index of the variant among the sides of the boot; the first one is the tuned variant
 */
export function toBootResult(
  boot: number,
  { sides, pacedPerSecond }: DuetBoot,
  index: number,
  { isPaced, rssBytes, responseBytes, costs }: VariantFigures,
): BootResult {
  const side = sides[index] ?? NO_SLICES
  const total = sumOf(side.slices)
  const latencies = latenciesOf(side)
  const cpuAtFixedRate = meanCpuMs(side.paced)
  const { errors, sent } = latencies ?? { errors: 0, sent: 0 }
  const { statements, commands, redisBytes } = costs
  return {
    boot,
    warmUpSlices: side.warmUpSlices,
    slices: side.slices.length,
    steady: side.steady,
    throughput: rounded(isPaced || total.answered === 0 ? 0 : rateOf(total), 1),
    // Those at a fixed rate are in the latencies.
    errors: isPaced ? 0 : total.errors,
    cpuMsPerRequest: rounded(meanCpuMs(side.slices) ?? 0, 4),
    ...(cpuAtFixedRate !== undefined && { cpuMsAtFixedRate: rounded(cpuAtFixedRate, 4) }),
    rssBytes,
    responseBytes: rounded(responseBytes, 1),
    ...{ statements, commands, redisBytes },
    generatorUtilisation: rounded(total.generatorShare, 3),
    objections: objectionsTo({
      steady: side.steady,
      generatorUtilisation: total.generatorShare,
      errorShare:
        (isPaced ? errors : total.errors + errors) / Math.max(1, isPaced ? sent : total.answered + sent),
    }),
    ...(latencies && {
      latency: { ...latencies, ratePerSecond: pacedPerSecond, lagP99Ms: rounded(latencies.lagP99Ms, 3) },
    }),
    ...(index > 0 && { ratios: ratiosToTuned(sides[0], side) }),
  }
}

/** The slices of a boot that have latencies. */
export function latencySlicesOf({ slices, paced }: SideBoot): LatencySlice[] {
  return [...slices, ...paced].flatMap(({ latency }) => latency ?? [])
}

/** Latencies of all slices of a boot. */
function latenciesOf(side: SideBoot): Omit<NonNullable<BootResult['latency']>, 'ratePerSecond'> | undefined {
  const measured = latencySlicesOf(side)
  if (measured.length === 0) return undefined
  const merged = mergeHistograms(measured.map(({ histogram }) => histogram))
  return {
    sent: measured.reduce((sum, { sent }) => sum + sent, 0),
    errors: measured.reduce((sum, { errors }) => sum + errors, 0),
    ...percentilesOf(merged),
    lagP99Ms: mean(measured.map(({ lagP99Ms }) => lagP99Ms)),
    histogram: encodeHistogram(merged),
  }
}

/** Logarithms of the tuned figure divided by this variant's, above 0 when tuned is better. */
function ratiosToTuned(tuned: SideBoot | undefined, side: SideBoot): NonNullable<BootResult['ratios']> {
  const of = (phase: 'slices' | 'paced', figure: (slice: Slice) => number | undefined, inverse: boolean) => {
    const [a, b] = inverse ? [side, tuned] : [tuned, side]
    return recorded(bootEffect(ratiosOf(a?.[phase] ?? [], b?.[phase] ?? [], figure)))
  }
  const rate = of('slices', rateOf, false)
  const cpu = of('slices', cpuMsOf, true)
  const cpuAtFixedRate = of('paced', cpuMsOf, true)
  return { ...(rate && { rate }), ...(cpu && { cpu }), ...(cpuAtFixedRate && { cpuAtFixedRate }) }
}

function recorded(effect: BootEffect | undefined): { log: number; variance?: number } | undefined {
  if (effect === undefined) return undefined
  const log = Number(effect.log.toFixed(6))
  return effect.variance === undefined ? { log } : { log, variance: Number(effect.variance.toPrecision(4)) }
}
