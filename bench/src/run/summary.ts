import type { BootResult, ComparisonResult, ScenarioResult, VariantResult } from '../report/schema.ts'
import {
  type BootEffect,
  type Dispersion,
  dispersionOf,
  type Effect,
  effectOf,
  effectOfBoots,
  geometricMean,
  mean,
  median,
} from '../stats/effect.ts'
import { curveOf, mergeHistograms, percentilesOf } from '../stats/histogram.ts'
import { latenessOf } from '../stats/validity.ts'
import { judge, MINIMUM_BOOTS } from '../stats/verdict.ts'
import type { MeasuredScenario } from './boots.ts'
import type { Links, Scenario, Variant } from './scenario.ts'
import type { MeasuredBoot } from './scenario-boot.ts'

interface Compared {
  readonly scenario: string
  readonly variant: Variant
  readonly metric: Scenario['primary']
  readonly links: Links | undefined
  readonly effect: Effect
  readonly cpu: Effect | undefined
  readonly cpuAtFixedRate: Effect | undefined
  readonly refused: string | undefined
}

type Ratio = keyof NonNullable<BootResult['ratios']>

/** Figures of each variant and verdicts. The comparisons of all scenarios are judged together. */
export function summarise(measured: readonly MeasuredScenario[]): ScenarioResult[] {
  const run = measured.filter(({ notRun }) => notRun === undefined)
  const judged = judge(
    run.flatMap((of) => {
      const others = run.filter((other) => other !== of)
      return of.scenario.variants.map((variant) => compare(of, variant, others))
    }),
  )
  return measured.map(({ scenario, boots, refused, notRun }) => {
    const { name, title, about, guide, service, primary, connections } = scenario
    return {
      ...{ name, title, about, guide, service, primary, connections },
      ...(scenario.open?.beside && { beside: true }),
      boots: boots.map(({ machine }) => machine),
      variants: [scenario.tuned, ...scenario.variants].map((variant) =>
        toVariantResult(
          variant,
          boots.flatMap(({ variants }) => variants.get(variant.name) ?? []),
        ),
      ),
      comparisons: judged.filter(({ item }) => item.scenario === name).map(toComparisonResult),
      ...(refused !== undefined && { refused }),
      ...(notRun !== undefined && { notRun }),
    }
  })
}

/** The effect of the only comparison of a scenario, by itself. */
export function effectOfComparison(of: MeasuredScenario): Effect {
  const [variant] = of.scenario.variants
  if (variant === undefined) throw new Error(`${of.scenario.name} compares nothing`)
  return compare(of, variant, []).effect
}

/** @param others scenarios of the same run, which show how much boots differ */
function compare(of: MeasuredScenario, variant: Variant, others: readonly MeasuredScenario[]): Compared {
  const { name, primary: metric } = of.scenario
  const measured = metric === 'throughput' ? effectsOf(of, variant, 'rate') : p99Effects(of, variant)
  const effect = effectOf(measured.effects, dispersionBeside(others, 'rate'))
  const reason = of.refused ?? (effect.boots < MINIMUM_BOOTS ? measured.objections[0] : undefined)
  const [cpu, cpuAtFixedRate] = (['cpu', 'cpuAtFixedRate'] as const).map((ratio) =>
    effectOf(effectsOf(of, variant, ratio).effects, dispersionBeside(others, ratio)),
  )
  const links = variant.links ?? of.scenario.links
  return { scenario: name, variant, metric, links, effect, cpu, cpuAtFixedRate, refused: reason }
}

/**
 * How much more boots differ than their turns explain, in other scenarios. Each gives one comparison, because all of its variants are
 * compared with the same tuned boots.
 */
function dispersionBeside(others: readonly MeasuredScenario[], ratio: Ratio): Dispersion {
  return dispersionOf(
    others.flatMap((other) => {
      const [variant] = other.scenario.variants
      return variant === undefined ? [] : [effectsOf(other, variant, ratio).effects]
    }),
  )
}

interface Pairwise {
  readonly effects: readonly BootEffect[]
  /** Why boots do not count. */
  readonly objections: readonly string[]
}

function effectsOf(of: MeasuredScenario, variant: Variant, ratio: Ratio): Pairwise {
  return pairwise(of, variant, (_tuned, other) => {
    const found = other.ratios?.[ratio]
    return found && { log: found.log, variance: found.variance }
  })
}

function p99Effects(of: MeasuredScenario, variant: Variant): Pairwise {
  return pairwise(of, variant, (tuned, other) => {
    const [a, b] = [tuned.latency, other.latency]
    if (!a || !b) return undefined
    return (
      latenessOf(Math.max(a.lagP99Ms, b.lagP99Ms)) ?? { log: Math.log(b.p99 / a.p99), variance: undefined }
    )
  })
}

/** The effect of each boot that counts. `effect` returns a sentence where a figure must not count. */
function pairwise(
  { scenario, boots }: MeasuredScenario,
  variant: Variant,
  effect: (tuned: BootResult, other: BootResult) => BootEffect | string | undefined,
): Pairwise {
  const objections: string[] = []
  const effects = boots.flatMap(({ variants }) => {
    const [tuned, other] = [variants.get(scenario.tuned.name)?.boot, variants.get(variant.name)?.boot]
    if (tuned === undefined || other === undefined) return []
    const against = [...tuned.objections, ...other.objections]
    const found = against.length > 0 ? undefined : effect(tuned, other)
    objections.push(...against, ...(typeof found === 'string' ? [found] : []))
    return found === undefined || typeof found === 'string' ? [] : [found]
  })
  return { effects, objections }
}

function toComparisonResult({
  item,
  pHolm,
  verdict,
}: ReturnType<typeof judge<Compared>>[number]): ComparisonResult {
  const { variant, metric, links, refused, effect, cpu, cpuAtFixedRate } = item
  return {
    variant: variant.name,
    label: variant.label,
    metric,
    ...(links && { links: { ...links } }),
    effect: intervalOf(effect),
    ...(cpu && cpu.boots > 0 && { cpu: intervalOf(cpu) }),
    ...(cpuAtFixedRate && cpuAtFixedRate.boots > 0 && { cpuAtFixedRate: intervalOf(cpuAtFixedRate) }),
    pHolm,
    detectable: finite(effect.detectable),
    verdict,
    ...(verdict === 'refused' && {
      refused: refused ?? `${MINIMUM_BOOTS} boots give an interval and a verdict`,
    }),
  }
}

function intervalOf({ boots, ratio, low, high, p }: Effect): ComparisonResult['effect'] {
  return { boots, ratio, low, high: finite(high), p }
}

function toVariantResult(variant: Variant, measured: readonly MeasuredBoot[]): VariantResult {
  const { name, label, environment } = variant
  const boots = measured.map(({ boot }) => boot)
  const last = measured.at(-1)
  return {
    ...{ name, label, environment: { ...environment } },
    proof: [...(last?.proof ?? [])],
    statementsByText: { ...last?.costs.statementsByText },
    commandsByName: { ...last?.costs.commandsByName },
    boots,
    summary: summaryOf(boots),
  }
}

/** Over the valid boots, or over all boots when none is valid. */
function summaryOf(boots: readonly BootResult[]): VariantResult['summary'] {
  const valid = boots.filter(({ objections }) => objections.length === 0)
  const counted = valid.length > 0 ? valid : boots
  const meanOf = (pick: (boot: BootResult) => number) => round(mean(counted.map(pick)))
  const atFixedRate = counted.flatMap(({ cpuMsAtFixedRate }) => cpuMsAtFixedRate ?? [])
  return {
    throughput: round(geometricMean(counted.map(({ throughput }) => throughput).filter((rate) => rate > 0))),
    cpuMsPerRequest: meanOf(({ cpuMsPerRequest }) => cpuMsPerRequest),
    ...(atFixedRate.length > 0 && { cpuMsAtFixedRate: round(mean(atFixedRate)) }),
    rssBytes: Math.round(meanOf(({ rssBytes }) => rssBytes)),
    responseBytes: meanOf(({ responseBytes }) => responseBytes),
    statements: median(counted.map(({ statements }) => statements)),
    commands: median(counted.map(({ commands }) => commands)),
    redisBytes: meanOf(({ redisBytes }) => redisBytes),
    ...latencySummary(counted),
  }
}

/** Requests of each boot below which a percentile is that of its slowest few requests. */
const SAMPLES_FOR = { p50: 10, p99: 200, p999: 2000 } as const

/** Percentiles of all latencies together, and the 95 % intervals of percentiles for which each boot has enough requests. */
function latencySummary(boots: readonly BootResult[]): Pick<VariantResult['summary'], 'latency'> {
  const all = boots.flatMap(({ latency }) => latency ?? [])
  const onTime = all.filter(({ lagP99Ms }) => latenessOf(lagP99Ms) === undefined)
  const latencies = onTime.length > 0 ? onTime : all
  if (latencies.length === 0) return {}
  const merged = mergeHistograms(latencies.map(({ histogram }) => histogram))
  const fewest = Math.min(...latencies.map(({ sent }) => sent))
  const intervals = (['p50', 'p99', 'p999'] as const).flatMap((name) => {
    if (fewest < SAMPLES_FOR[name]) return []
    const { low, high } = effectOfBoots(latencies.map((latency) => latency[name]))
    return [[name, [round(low), finite(high)]] as const]
  })
  return {
    latency: {
      ratePerSecond: latencies[0]?.ratePerSecond ?? 0,
      ...percentilesOf(merged),
      intervals: Object.fromEntries(intervals),
      errors: latencies.reduce((sum, { errors }) => sum + errors, 0),
      curve: curveOf(merged),
    },
  }
}

function finite(value: number): number | null {
  return Number.isFinite(value) ? value : null
}

function round(value: number): number {
  return Number(value.toPrecision(6))
}
