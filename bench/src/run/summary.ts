import type { BootResult, ComparisonResult, ScenarioResult, VariantResult } from '../report/schema.ts'
import { type Effect, geometricMean, mean, median, pairedEffect } from '../stats/effect.ts'
import { curveOf, mergeHistograms, percentilesOf } from '../stats/histogram.ts'
import { judge, leastPairs } from '../stats/verdict.ts'
import type { MeasuredBoot } from './boot.ts'
import type { Measured } from './rounds.ts'
import type { Variant } from './scenario.ts'

interface Compared {
  readonly scenario: string
  readonly variant: Variant
  readonly metric: 'throughput' | 'p99'
  readonly effect: Effect
  readonly refused: string | undefined
}

/** Boots → figures per variant and verdicts, the comparisons of all scenarios judged together. */
export function summarise(measured: readonly Measured[]): ScenarioResult[] {
  const compared = measured
    .filter(({ notRun }) => notRun === undefined)
    .flatMap((of) => of.scenario.variants.map((variant) => compare(of, variant)))
  const judged = judge(compared)
  return measured.map((of) => {
    const { scenario, boots, refused, notRun } = of
    const { name, title, about, guide, service, primary, connections } = scenario
    return {
      ...{ name, title, about, guide, service, primary, connections },
      ...(scenario.open?.beside && { beside: true }),
      variants: [scenario.tuned, ...scenario.variants].map((variant) =>
        describe(variant, boots.get(variant.name) ?? []),
      ),
      comparisons: judged
        .filter(({ item }) => item.scenario === name)
        .map(({ item, pHolm, verdict }): ComparisonResult => {
          const { pairs, ratio, low, high, p, detectable } = item.effect
          return {
            variant: item.variant.name,
            label: item.variant.label,
            metric: item.metric,
            effect: { pairs, ratio, low, high: finite(high), p },
            pHolm,
            detectable: finite(detectable),
            verdict,
            ...(verdict === 'refused' && {
              refused: item.refused ?? `only ${pairs} pairs of ${leastPairs} needed`,
            }),
          }
        }),
      ...(refused !== undefined && { refused }),
      ...(notRun !== undefined && { notRun }),
    }
  })
}

function compare({ scenario, boots, refused }: Measured, variant: Variant): Compared {
  const metric = scenario.primary
  const metricOf = ({ throughput, latency }: BootResult) =>
    metric === 'throughput' ? throughput : latency?.p99
  const byRound = (name: string) => new Map((boots.get(name) ?? []).map(({ boot }) => [boot.round, boot]))
  const [tuned, other] = [byRound(scenario.tuned.name), byRound(variant.name)]
  const against: string[] = []
  const ratios = [...tuned].flatMap(([round, a]) => {
    const b = other.get(round)
    const [x, y] = [metricOf(a), b && metricOf(b)]
    if (b === undefined || !x || !y) return []
    if (a.objections.length + b.objections.length > 0) {
      against.push(...a.objections, ...b.objections)
      return []
    }
    return [metric === 'throughput' ? x / y : y / x]
  })
  const reason = refused ?? (ratios.length < leastPairs ? against[0] : undefined)
  return { scenario: scenario.name, variant, metric, effect: pairedEffect(ratios), refused: reason }
}

function describe(variant: Variant, measured: readonly MeasuredBoot[]): VariantResult {
  const { name, label, environment } = variant
  const boots = measured.map(({ boot }) => boot)
  const fair = boots.filter(({ objections }) => objections.length === 0)
  const counted = fair.length > 0 ? fair : boots
  const of = (pick: (boot: BootResult) => number) => round(mean(counted.map(pick)))
  const last = measured.at(-1)
  const latencies = counted.flatMap(({ latency }) => (latency === undefined ? [] : [latency]))
  const merged = mergeHistograms(latencies.map(({ histogram }) => histogram))
  return {
    ...{ name, label, environment: { ...environment } },
    proof: [...(last?.proof ?? [])],
    statementsByText: { ...last?.costs.statementsByText },
    commandsByName: { ...last?.costs.commandsByName },
    boots,
    summary: {
      throughput: round(
        geometricMean(counted.map(({ throughput }) => throughput).filter((rate) => rate > 0)),
      ),
      cpuMsPerRequest: of(({ cpuMsPerRequest }) => cpuMsPerRequest),
      rssBytes: Math.round(of(({ rssBytes }) => rssBytes)),
      responseBytes: of(({ responseBytes }) => responseBytes),
      statements: median(counted.map(({ statements }) => statements)),
      commands: median(counted.map(({ commands }) => commands)),
      redisBytes: of(({ redisBytes }) => redisBytes),
      bootMs: of(({ bootMs }) => bootMs),
      ...(latencies.length > 0 && {
        latency: {
          ratePerSecond: latencies[0]?.ratePerSecond ?? 0,
          ...percentilesOf(merged),
          errors: latencies.reduce((sum, { errors }) => sum + errors, 0),
          curve: curveOf(merged),
        },
      }),
    },
  }
}

function finite(value: number): number | null {
  return Number.isFinite(value) ? value : null
}

function round(value: number): number {
  return Number(value.toPrecision(6))
}
