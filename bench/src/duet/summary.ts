import type { DuetRowResult, DuetSideResult, DuetStartResult } from '../report/duet-schema.ts'
import {
  type BootEffect,
  bootEffect,
  type Dispersion,
  dispersionOf,
  type Effect,
  effectOf,
  effectOfTurns,
  geometricMean,
  median,
} from '../stats/effect.ts'
import { rounded } from '../stats/rounded.ts'
import { VALIDITY_LIMITS } from '../stats/validity.ts'
import type { MeasuredRow, StartTurn } from './duet-run.ts'
import type { DuetBoot, SideBoot } from './measure.ts'
import type { SidePlan, StartPlan } from './plan.ts'
import { cpuMsOf, meanCpuMs, rateOf, ratiosOf, type Slice, sumOf } from './slice.ts'

type Interval = DuetStartResult['effect']

type Phase = 'slices' | 'paced'
type Figure = (slice: Slice) => number | undefined

/** The figures of all rows: each side, and ours against each other side. */
export function summarizeRows(rows: readonly MeasuredRow[]): DuetRowResult[] {
  return rows.map((row) =>
    summarizeRow(
      row,
      rows.filter((other) => other !== row),
    ),
  )
}

function summarizeRow({ plan, measured, boots }: MeasuredRow, others: readonly MeasuredRow[]): DuetRowResult {
  const { name, title, about, connections } = plan
  return {
    ...{ name, title, about, connections },
    fixedRatePerSecond: boots[0]?.pacedPerSecond ?? 0,
    sides: plan.sides.map((side) => summarizeSide(side, measured.indexOf(side), boots, others)),
  }
}

function summarizeSide(
  side: SidePlan,
  index: number,
  boots: readonly DuetBoot[],
  others: readonly MeasuredRow[],
): DuetSideResult {
  const { name, label } = side
  if (side.kind === 'absent') return { name, label, notRun: side.reason }
  const own = boots.flatMap(({ sides }) => sides[index] ?? [])
  if (own.length === 0) return { name, label, notRun: 'there is nothing to compare it with' }
  const counted = own.filter(isCounted)
  const slices = own.flatMap((boot) => [...boot.slices, ...boot.paced])
  return {
    name,
    label,
    figures: {
      rate: rounded(geometricMean((counted.length > 0 ? counted : own).map(rateOfBoot)), 1),
      cpuMicros: cpuMicros(own.flatMap((boot) => boot.slices)),
      fixedRateCpuMicros: cpuMicros(own.flatMap(({ paced }) => paced)),
      generatorShare: rounded(Math.max(...own.map((boot) => sumOf(boot.slices).generatorShare)), 3),
      errors: sumOf(slices).errors,
      boots: own.map((boot) => ({
        rate: rounded(rateOfBoot(boot), 1),
        cpuMicros: cpuMicros(boot.slices),
        fixedRateCpuMicros: cpuMicros(boot.paced),
        steady: boot.steady,
        warmUpSlices: boot.warmUpSlices,
        slices: boot.slices.length,
      })),
    },
    ...(index > 0 && compare(index, boots, others)),
  }
}

/**
 * Ours against another side, over the boots that count for both; nothing without such a boot.
 *
 * @param others rows of the same run, which show how much boots differ
 */
function compare(
  index: number,
  boots: readonly DuetBoot[],
  others: readonly MeasuredRow[],
): Pick<DuetSideResult, 'effect'> {
  const of = (phase: Phase, figure: Figure) =>
    effectOf(effectsOf(boots, index, phase, figure), dispersionBeside(others, phase, figure))
  const rate = of('slices', rateOf)
  const cpu = of('slices', cpuMsOf)
  const fixedRateCpu = of('paced', cpuMsOf)
  if (rate.boots === 0) return {}
  return {
    effect: {
      rate: interval(rate),
      ...(cpu.boots > 0 && { cpu: interval(cpu) }),
      ...(fixedRateCpu.boots > 0 && { fixedRateCpu: interval(fixedRateCpu) }),
    },
  }
}

/** Each other row gives one comparison, because all of its sides are compared with the same boots of ours. */
function dispersionBeside(others: readonly MeasuredRow[], phase: Phase, figure: Figure): Dispersion {
  return dispersionOf(others.map(({ boots }) => effectsOf(boots, 1, phase, figure)))
}

/** The effect of each boot that counts for ours and for the other side. */
function effectsOf(boots: readonly DuetBoot[], index: number, phase: Phase, figure: Figure): BootEffect[] {
  return boots.flatMap(({ sides }) => {
    const [ours, other] = [sides[0], sides[index]]
    if (ours === undefined || other === undefined || !isCounted(ours) || !isCounted(other)) return []
    return bootEffect(ratiosOf(ours[phase], other[phase], figure)) ?? []
  })
}

/** Whether the comparisons contain this boot of a side: a failed request costs less than one that is served. */
export function isCounted(boot: SideBoot): boolean {
  return boot.steady && !hasFailed(boot)
}

/** Whether more of the requests failed than may. */
export function hasFailed({ slices, paced }: SideBoot): boolean {
  const { answered, errors } = sumOf([...slices, ...paced])
  return errors > VALIDITY_LIMITS.errors * Math.max(1, answered)
}

/** CPU time a request in µs. */
function cpuMicros(slices: readonly Slice[]): number | null {
  const ms = meanCpuMs(slices)
  return ms === undefined ? null : rounded(ms * 1000, 2)
}

function rateOfBoot({ slices }: SideBoot): number {
  return rateOf(sumOf(slices))
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
      effect: interval(effectOfTurns(times)),
    }
  })
}

function interval({ boots, ratio, low, high }: Effect): Interval {
  return {
    boots,
    ratio: rounded(ratio, 4),
    low: rounded(low, 4),
    high: Number.isFinite(high) ? rounded(high, 4) : null,
  }
}
