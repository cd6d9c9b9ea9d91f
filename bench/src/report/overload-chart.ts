import * as Plot from '@observablehq/plot'
import { draw, INK } from './chart.ts'
import type { OverloadCall, OverloadResults } from './overload-schema.ts'

const COLOURS = { on: INK.better, off: INK.worse } as const

interface Mark {
  readonly call: string
  readonly limit: 'on' | 'off'
  readonly multiple: number
  /** As a share of the highest goodput of the call. */
  readonly goodput: number
}

/** The goodput of each call against the offered rate, with the limit and without it. */
export function renderOverloadChart({ calls }: OverloadResults): string {
  const marks = calls.flatMap(marksOf)
  const colour = ({ limit }: Mark) => COLOURS[limit]
  const last = marks.filter(({ call, multiple }) => call === calls.at(-1)?.request && multiple === 3)
  return draw(true, {
    width: 860,
    height: 300,
    marginLeft: 50,
    marginRight: 80,
    marginTop: 44,
    marginBottom: 46,
    fx: { label: null, padding: 0.12, domain: calls.map(({ request }) => request) },
    x: { domain: [0, 3], label: 'offered rate / rate of saturation →', labelOffset: 38, ticks: [0, 1, 2, 3] },
    y: { domain: [0, 1.05], label: '↑ goodput / peak', percent: true, grid: true },
    marks: [
      Plot.frame({ stroke: INK.faint }),
      Plot.ruleX([1], { stroke: INK.text, strokeDasharray: '4 3' }),
      Plot.line(marks, {
        fx: 'call',
        x: 'multiple',
        y: 'goodput',
        z: 'limit',
        stroke: colour,
        strokeWidth: 2,
      }),
      Plot.dot(marks, { fx: 'call', x: 'multiple', y: 'goodput', fill: colour, r: 3 }),
      Plot.text(last, {
        fx: 'call',
        x: 'multiple',
        y: 'goodput',
        text: ({ limit }: Mark) => (limit === 'on' ? 'limit' : 'no limit'),
        fill: colour,
        textAnchor: 'start',
        dx: 8,
      }),
    ],
  })
}

function marksOf({ request, sides }: OverloadCall): Mark[] {
  const peak = Math.max(...sides.flatMap(({ points }) => points.map(({ goodPerSecond }) => goodPerSecond)))
  return sides.flatMap(({ limit, points }) =>
    points.map(({ multiple, goodPerSecond }) => ({
      call: request,
      limit,
      multiple,
      goodput: goodPerSecond / peak,
    })),
  )
}
