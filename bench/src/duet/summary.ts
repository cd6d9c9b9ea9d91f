import type { DuetRowResult, DuetSideResult, DuetStartResult } from '../report/duet-schema.ts'
import { geometricMean, median } from '../stats/effect.ts'
import type { MeasuredRow, StartTurn } from './duet-run.ts'
import { type DuetEffect, duetEffect } from './effect.ts'
import { type RowBoot, rateOf, type SideBoot, type Slice } from './measure-row.ts'
import type { SidePlan, StartPlan } from './plan.ts'

type Interval = DuetStartResult['effect']

/** The figures of a row: each side, and ours against each other side. */
export function summarizeRow({ plan, measured, boots }: MeasuredRow): DuetRowResult {
  const { name, title, about, connections, sliceMs } = plan
  return {
    ...{ name, title, about, connections, sliceMs },
    fixedRatePerSecond: boots[0]?.pacedPerSecond ?? 0,
    sides: plan.sides.map((side) => summarizeSide(side, measured.indexOf(side), boots)),
  }
}

function summarizeSide(side: SidePlan, index: number, boots: readonly RowBoot[]): DuetSideResult {
  const { name, label } = side
  if (side.kind === 'absent') return { name, label, notRun: side.reason }
  const own = boots.flatMap(({ sides }) => sides[index] ?? [])
  if (own.length === 0) return { name, label, notRun: 'there is nothing to compare it with' }
  const counted = own.filter(({ steady }) => steady)
  const slices = own.flatMap((boot) => [...boot.slices, ...boot.paced])
  return {
    name,
    label,
    figures: {
      rate: rounded(geometricMean((counted.length > 0 ? counted : own).map(rateOfBoot)), 1),
      cpuMicros: cpuMicros(own.flatMap((boot) => boot.slices)),
      fixedRateCpuMicros: cpuMicros(own.flatMap(({ paced }) => paced)),
      generatorShare: rounded(Math.max(...own.map(generatorShare)), 3),
      errors: slices.reduce((sum, { errors }) => sum + errors, 0),
      boots: own.map((boot) => ({
        rate: rounded(rateOfBoot(boot), 1),
        cpuMicros: cpuMicros(boot.slices),
        fixedRateCpuMicros: cpuMicros(boot.paced),
        steady: boot.steady,
        warmUpSlices: boot.warmUpSlices,
      })),
    },
    ...(index > 0 && compare(index, boots)),
  }
}

/** Ours against another side, over the boots in which both were steady; nothing without such a boot. */
function compare(index: number, boots: readonly RowBoot[]): Pick<DuetSideResult, 'effect'> {
  const pairs = boots.flatMap(({ sides: [ours, ...others] }) => {
    const other = others[index - 1]
    return ours?.steady && other?.steady ? [{ ours, other }] : []
  })
  const rate = duetEffect(pairs.map(({ ours, other }) => ratios(ours.slices, other.slices, rateOf)))
  const cpu = duetEffect(pairs.map(({ ours, other }) => ratios(ours.paced, other.paced, cpuOf)))
  if (rate.boots === 0) return {}
  return { effect: { rate: interval(rate), ...(cpu.boots > 0 && { fixedRateCpu: interval(cpu) }) } }
}

/** The ratio of each turn; turns without the figure are left out. */
function ratios(
  ours: readonly Slice[],
  others: readonly Slice[],
  figure: (slice: Slice) => number | undefined,
): number[] {
  return ours.flatMap((slice, turn) => {
    const other = others[turn]
    const [a, b] = [figure(slice), other && figure(other)]
    return a !== undefined && b !== undefined && a > 0 && b > 0 ? [a / b] : []
  })
}

function cpuOf({ cpuMs, answered }: Slice): number | undefined {
  return cpuMs === undefined || answered === 0 ? undefined : cpuMs / answered
}

/** CPU time a request in µs. */
function cpuMicros(slices: readonly Slice[]): number | null {
  const known = slices.filter(({ cpuMs }) => cpuMs !== undefined)
  const answered = known.reduce((sum, slice) => sum + slice.answered, 0)
  if (answered === 0) return null
  return rounded((known.reduce((sum, { cpuMs = 0 }) => sum + cpuMs, 0) * 1000) / answered, 2)
}

function rateOfBoot({ slices }: SideBoot): number {
  const answered = slices.reduce((sum, slice) => sum + slice.answered, 0)
  return answered / slices.reduce((sum, { seconds }) => sum + seconds, 0)
}

function generatorShare({ slices }: SideBoot): number {
  return slices.reduce((sum, slice) => sum + slice.generatorShare, 0) / Math.max(1, slices.length)
}

/** Start time and memory of each process; the ratio is ours against it. */
export function summarizeStarts({ processes }: StartPlan, turns: readonly StartTurn[]): DuetStartResult[] {
  return processes.map(({ name, label }, index) => {
    const own = turns.flatMap((turn) => turn[index] ?? [])
    const times = turns.map(([ours, ...others]) => {
      const other = index === 0 ? ours : others[index - 1]
      return ours === undefined || other === undefined ? [] : [ours.startMs / other.startMs]
    })
    return {
      name,
      label,
      startMs: rounded(median(own.map(({ startMs }) => startMs)), 1),
      idleBytes: median(own.map(({ idleBytes }) => idleBytes)),
      loadedBytes: median(own.map(({ loadedBytes }) => loadedBytes)),
      effect: interval(duetEffect(times)),
    }
  })
}

function interval({ boots, ratio, low, high }: DuetEffect): Interval {
  return {
    boots,
    ratio: rounded(ratio, 4),
    low: rounded(low, 4),
    high: Number.isFinite(high) ? rounded(high, 4) : null,
  }
}

function rounded(value: number, digits: number): number {
  return Number(value.toFixed(digits))
}
