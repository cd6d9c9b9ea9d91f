import type { BootResult, ComparisonResult, ScenarioResult, VariantResult } from '../report/schema.ts'
import { type Effect, geometricMean, mean, median, pairedEffect } from '../stats/effect.ts'
import { curveOf, mergeHistograms, percentilesOf } from '../stats/histogram.ts'
import { judge, MINIMUM_PAIRS } from '../stats/verdict.ts'
import type { MeasuredBoot } from './boot-result.ts'
import type { MeasuredScenario } from './rounds.ts'
import type { Variant } from './scenario.ts'

type Metric = 'throughput' | 'p99'

interface Compared {
  readonly scenario: string
  readonly variant: Variant
  readonly metric: Metric
  readonly effect: Effect
  readonly refused: string | undefined
}

/** Figures of each variant and verdicts. The comparisons of all scenarios are judged together. */
export function summarise(measured: readonly MeasuredScenario[]): ScenarioResult[] {
  const compared = measured
    .filter(({ notRun }) => notRun === undefined)
    .flatMap((of) => of.scenario.variants.map((variant) => compare(of, variant)))
  const judged = judge(compared)
  return measured.map(({ scenario, boots, refused, notRun }) => {
    const { name, title, about, guide, service, primary, connections } = scenario
    return {
      ...{ name, title, about, guide, service, primary, connections },
      ...(scenario.open?.beside && { beside: true }),
      variants: [scenario.tuned, ...scenario.variants].map((variant) =>
        toVariantResult(variant, boots.get(variant.name) ?? []),
      ),
      comparisons: judged.filter(({ item }) => item.scenario === name).map(toComparisonResult),
      ...(refused !== undefined && { refused }),
      ...(notRun !== undefined && { notRun }),
    }
  })
}

function toComparisonResult({
  item,
  pHolm,
  verdict,
}: ReturnType<typeof judge<Compared>>[number]): ComparisonResult {
  const { variant, metric, refused } = item
  const { pairs, ratio, low, high, p, detectable } = item.effect
  return {
    variant: variant.name,
    label: variant.label,
    metric,
    effect: { pairs, ratio, low, high: finite(high), p },
    pHolm,
    detectable: finite(detectable),
    verdict,
    ...(verdict === 'refused' && { refused: refused ?? `only ${pairs} of ${MINIMUM_PAIRS} pairs` }),
  }
}

/** The ratio of two boots, above 1 when `tuned` is better; undefined without figures. */
export function ratioOf(metric: Metric, tuned: BootResult, other: BootResult): number | undefined {
  const [a, b] = [tuned, other].map((boot) => (metric === 'throughput' ? boot.throughput : boot.latency?.p99))
  if (!a || !b) return undefined
  return metric === 'throughput' ? a / b : b / a
}

/** The pairs of boots of the same round. */
export function pairsOf(a: readonly BootResult[], b: readonly BootResult[]): [BootResult, BootResult][] {
  const byRound = new Map(b.map((boot) => [boot.round, boot]))
  return a.flatMap((first): [BootResult, BootResult][] => {
    const second = byRound.get(first.round)
    return second === undefined ? [] : [[first, second]]
  })
}

function compare({ scenario, boots, refused }: MeasuredScenario, variant: Variant): Compared {
  const { name, primary: metric } = scenario
  const [tuned, other] = [scenario.tuned, variant].map((of) =>
    (boots.get(of.name) ?? []).map(({ boot }) => boot),
  )
  const objections: string[] = []
  const ratios = pairsOf(tuned ?? [], other ?? []).flatMap(([a, b]) => {
    const ratio = ratioOf(metric, a, b)
    if (ratio === undefined) return []
    const found = [...a.objections, ...b.objections]
    objections.push(...found)
    return found.length > 0 ? [] : [ratio]
  })
  const reason = refused ?? (ratios.length < MINIMUM_PAIRS ? objections[0] : undefined)
  return { scenario: name, variant, metric, effect: pairedEffect(ratios), refused: reason }
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
  const latencies = counted.flatMap(({ latency }) => (latency === undefined ? [] : [latency]))
  const merged = mergeHistograms(latencies.map(({ histogram }) => histogram))
  return {
    throughput: round(geometricMean(counted.map(({ throughput }) => throughput).filter((rate) => rate > 0))),
    cpuMsPerRequest: meanOf(({ cpuMsPerRequest }) => cpuMsPerRequest),
    rssBytes: Math.round(meanOf(({ rssBytes }) => rssBytes)),
    responseBytes: meanOf(({ responseBytes }) => responseBytes),
    statements: median(counted.map(({ statements }) => statements)),
    commands: median(counted.map(({ commands }) => commands)),
    redisBytes: meanOf(({ redisBytes }) => redisBytes),
    bootMs: meanOf(({ bootMs }) => bootMs),
    ...(latencies.length > 0 && {
      latency: {
        ratePerSecond: latencies[0]?.ratePerSecond ?? 0,
        ...percentilesOf(merged),
        errors: latencies.reduce((sum, { errors }) => sum + errors, 0),
        curve: curveOf(merged),
      },
    }),
  }
}

function finite(value: number): number | null {
  return Number.isFinite(value) ? value : null
}

function round(value: number): number {
  return Number(value.toPrecision(6))
}
