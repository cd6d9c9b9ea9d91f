import { number } from '../report/format.ts'
import type { OverloadCall, OverloadPoint, OverloadResults, OverloadSide } from '../report/overload-schema.ts'

/** What the limit has to keep at the highest rate. */
export const GOALS = { goodput: 0.8, latency: 4, recoveryMs: 2_000 }

/** A generator that sends its requests this late, at the 99th percentile, offers another rate than the one that is named. */
const LATE_MS = 100

const isLate = ({ lagP99Ms }: OverloadPoint) => lagP99Ms > LATE_MS

/** The curves as Markdown: offered rate against goodput and latency, with and without the limit. */
export function renderOverload({ calls, patienceMs, phaseMs }: OverloadResults): string {
  const parts = calls.map((call) =>
    [
      `\`${call.request}\`: saturated at ${number(call.saturationPerSecond)}/s`,
      '',
      '| offered/s | good/s | p99 ms | 503/s | gave up/s | `/health` p99 ms | `/ready` p99 ms | without the limit: good/s | p99 ms | gave up/s |',
      '|---:|---:|---:|---:|---:|---:|---:|---:|---:|---:|',
      ...rowsOf(call),
      '',
      recoverySentence(call),
    ].join('\n'),
  )
  const about = `Each rate for ${phaseMs / 1000} s, callers that give up after ${patienceMs / 1000} s.`
  return `${[about, ...parts].join('\n\n')}\n`
}

function rowsOf({ sides }: OverloadCall): string[] {
  const [on, off] = (['on', 'off'] as const).map((limit) => sides.find((side) => side.limit === limit))
  return (on?.points ?? []).map((point, index) => {
    const other = off?.points[index]
    const cells = [
      `${number(point.ratePerSecond)} (${point.multiple}×)${isLate(point) ? ', generator late' : ''}`,
      number(point.goodPerSecond),
      latency(point),
      number(point.refusedPerSecond),
      number(point.abandonedPerSecond),
      number(point.health.p99Ms),
      number(point.ready.p99Ms),
      ...(other === undefined
        ? ['–', '–', '–']
        : [number(other.goodPerSecond), latency(other), number(other.abandonedPerSecond)]),
    ]
    return `| ${cells.join(' | ')} |`
  })
}

const latency = ({ goodPerSecond, p99Ms }: OverloadPoint) => (goodPerSecond === 0 ? '–' : number(p99Ms))

function recoverySentence({ sides }: OverloadCall): string {
  const texts = sides.map(({ limit, recoveryMs }) => {
    const time = recoveryMs === null ? 'not within the time measured' : `after ${recoveryMs / 1000} s`
    return `${limit === 'on' ? 'with' : 'without'} the limit ${time}`
  })
  return `Normal again once the overload ends: ${texts.join(', ')}.`
}

/** Which goals the service misses with the limit, a sentence each. */
export function missedGoals({ calls }: OverloadResults): string[] {
  return calls.flatMap((call) => {
    const on = call.sides.find(({ limit }) => limit === 'on')
    return on === undefined ? [] : missedBy(call, on)
  })
}

function missedBy({ name, sides }: OverloadCall, { points, recoveryMs }: OverloadSide): string[] {
  const [normal, highest] = [points[0], points.at(-1)]
  const last = points.findLast((point) => !isLate(point))
  if (normal === undefined || highest === undefined || last === undefined) return []
  if (last !== highest)
    return [`${name}: the generator was late above ${last.multiple}×, so the goals were not measured`]
  const peak = Math.max(...sides.flatMap((side) => side.points.map(({ goodPerSecond }) => goodPerSecond)))
  const share = last.goodPerSecond / peak
  const missed: string[] = []
  if (share < GOALS.goodput)
    missed.push(`${name}: goodput at ${last.multiple}× is ${share.toFixed(2)} of its peak`)
  if (last.p99Ms >= GOALS.latency * normal.p99Ms)
    missed.push(
      `${name}: p99 at ${last.multiple}× is ${(last.p99Ms / normal.p99Ms).toFixed(1)} times the normal one`,
    )
  if (recoveryMs === null || recoveryMs > GOALS.recoveryMs)
    missed.push(`${name}: not normal again within ${GOALS.recoveryMs} ms`)
  return missed
}
