import * as Plot from '@observablehq/plot'
import { median } from '../stats/effect.ts'
import type { BreakEvenPoint, BreakEvenResults } from './break-even-schema.ts'
import { draw, INK } from './chart.ts'

const COLOURS = { on: INK.better, off: INK.worse } as const

interface Mark {
  readonly hitRatio: number
  readonly side: 'on' | 'off'
  readonly rate: number
  readonly low: number
  readonly high: number
}

/** The rates with the cache on and off against the hit ratio; a bar from the lowest to the highest round. */
export function renderBreakEven(results: BreakEvenResults): string {
  const marks = results.points.flatMap((point) => [markOf(point, 'on'), markOf(point, 'off')])
  const last = marks.slice(-2)
  const at = breakEvenOf(results)
  const colour = ({ side }: Mark) => COLOURS[side]
  return draw(true, {
    width: 760,
    height: 380,
    marginLeft: 60,
    marginRight: 90,
    marginTop: 34,
    marginBottom: 46,
    x: { domain: [0, 1], label: 'hit ratio →', labelOffset: 38, percent: false },
    y: {
      domain: [0, 1.08 * Math.max(...marks.map(({ high }) => high))],
      label: '↑ requests/s, 5 % of them writes',
      tickFormat: (rate: number) => `${rate / 1000}k`,
      grid: true,
    },
    marks: [
      Plot.ruleX(marks, { x: 'hitRatio', y1: 'low', y2: 'high', stroke: colour, strokeOpacity: 0.5 }),
      Plot.line(marks, { x: 'hitRatio', y: 'rate', z: 'side', stroke: colour, strokeWidth: 2 }),
      Plot.dot(marks, { x: 'hitRatio', y: 'rate', fill: colour, r: 3.5 }),
      Plot.text(last, {
        x: 'hitRatio',
        y: 'rate',
        text: ({ side }: Mark) => `cache ${side}`,
        fill: colour,
        textAnchor: 'start',
        dx: 10,
      }),
      ...(at === undefined ? [] : breakEvenMarks(at)),
    ],
  })
}

/** The hit ratio from which on the cache is never slower, interpolated; undefined when there is none. */
export function breakEvenOf({ points }: BreakEvenResults): number | undefined {
  const sorted = points
    .map(({ hitRatio, on, off }) => ({ hitRatio, gain: Math.log(median(on) / median(off)) }))
    .toSorted((a, b) => a.hitRatio - b.hitRatio)
  const lastLoss = sorted.findLastIndex(({ gain }) => gain < 0)
  const [before, after] = [sorted[lastLoss], sorted[lastLoss + 1]]
  if (after === undefined) return undefined
  if (before === undefined) return after.hitRatio
  const share = before.gain / (before.gain - after.gain)
  return before.hitRatio + share * (after.hitRatio - before.hitRatio)
}

function markOf({ hitRatio, ...point }: BreakEvenPoint, side: 'on' | 'off'): Mark {
  const rates = point[side]
  return { hitRatio, side, rate: median(rates), low: Math.min(...rates), high: Math.max(...rates) }
}

function breakEvenMarks(at: number): Plot.Markish[] {
  return [
    Plot.ruleX([at], { stroke: INK.text, strokeDasharray: '4 3' }),
    Plot.text([at], {
      x: (value: number) => value,
      text: (value: number) => `break-even ${value.toFixed(2)}`,
      frameAnchor: 'bottom',
      textAnchor: 'start',
      dx: 6,
      dy: -8,
      fill: INK.text,
    }),
  ]
}
