import * as Plot from '@observablehq/plot'
import { type ChartOptions, draw, INK } from './chart.ts'
import type { Results } from './schema.ts'

interface Span {
  /** Seconds since the start of the run. */
  readonly from: number
  readonly to: number
  readonly low: number
  readonly high: number
  readonly colour: string
}

interface Unsteady {
  readonly at: number
}

/** Uses of the processor besides the run, with their colours. */
export const MACHINE_LEGEND = [
  { name: 'other programs', colour: INK.none },
  { name: 'other guests of the hypervisor', colour: INK.worse },
  { name: '× a boot with a variant that was not steady', colour: INK.text },
] as const

/** The machine over the time of the run: how many cores other programs and other guests used, and which boots were not steady. */
export function renderMachine(results: Results, options: ChartOptions = {}): string {
  const { width = 760, standalone = false } = options
  const spans = spansOf(results)
  if (spans.length === 0) return ''
  const highest = Math.max(0.2, ...spans.map(({ high }) => high))
  return draw(standalone, {
    width,
    height: 170,
    marginLeft: 44,
    marginRight: 16,
    marginTop: 30,
    marginBottom: 42,
    x: { domain: [0, Math.max(...spans.map(({ to }) => to))], axis: null },
    y: { domain: [0, highest * 1.25], axis: null },
    marks: [
      Plot.axisX({
        label: 'seconds since the start of the run →',
        labelOffset: 36,
        ticks: width < 500 ? 4 : 8,
      }),
      Plot.axisY({ label: '↑ cores used besides the run', ticks: 4, labelOffset: 38 }),
      Plot.gridY({ ticks: 4, stroke: INK.faint, strokeOpacity: 1 }),
      Plot.rect(spans, {
        x1: 'from',
        x2: 'to',
        y1: 'low',
        y2: 'high',
        fill: 'colour',
        insetLeft: 0.5,
        insetRight: 0.5,
      }),
      Plot.ruleY([0], { stroke: INK.text }),
      Plot.dot(unsteadyOf(results), {
        x: 'at',
        y: highest * 1.15,
        symbol: 'times',
        r: 5,
        stroke: INK.text,
        strokeWidth: 2,
      }),
    ],
  })
}

function spansOf({ scenarios, startedAt, fingerprint }: Results): Span[] {
  return scenarios.flatMap(({ boots }) =>
    boots.flatMap(({ at, seconds, steal, otherCores }): Span[] => {
      const from = secondsBetween(startedAt, at)
      const taken = steal * fingerprint.cores
      const time = { from, to: from + seconds }
      return [
        { ...time, low: 0, high: otherCores, colour: INK.none },
        { ...time, low: otherCores, high: otherCores + taken, colour: INK.worse },
      ]
    }),
  )
}

function unsteadyOf({ scenarios, startedAt }: Results): Unsteady[] {
  return scenarios.flatMap(({ boots, variants }) =>
    boots
      .filter(({ boot }) =>
        variants.some((variant) => variant.boots.some((of) => of.boot === boot && !of.steady)),
      )
      .map(({ at, seconds }) => ({ at: secondsBetween(startedAt, at) + seconds / 2 })),
  )
}

function secondsBetween(from: string, to: string): number {
  return (Date.parse(to) - Date.parse(from)) / 1000
}
