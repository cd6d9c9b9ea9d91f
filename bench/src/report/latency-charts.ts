import * as Plot from '@observablehq/plot'
import {
  type ChartOptions,
  draw,
  INK,
  logarithmicTicks,
  millisecondAxis,
  paddedRange,
  seriesColour,
} from './chart.ts'
import type { Results, ScenarioResult } from './schema.ts'

interface CurvePoint {
  /** 1 / (1 − percentile): 100 for p99. */
  readonly tail: number
  readonly ms: number
  readonly name: string
  readonly colour: string
}

interface Point {
  readonly rate: number
  readonly p99: number
  readonly scenario: string
  readonly label: string
  readonly colour: string
  readonly tuned: boolean
}

/** Latency by percentile of one scenario, a line per variant. */
export function renderLatencies(scenario: ScenarioResult, options: ChartOptions = {}): string {
  const { width = 760, standalone = false } = options
  const points = curvesOf(scenario)
  if (points.length === 0) return ''
  const latencies = points.map(({ ms }) => ms)
  const longest = Math.max(100, ...points.map(({ tail }) => tail))
  const ticks = [2, 10, 100, 1000, 10_000, 100_000].filter((tick) => tick <= longest)
  return draw(standalone, {
    width,
    height: width < 500 ? 240 : 300,
    marginLeft: 52,
    marginRight: 16,
    marginTop: 34,
    marginBottom: 42,
    x: { type: 'log', domain: [2, longest], axis: null },
    y: { type: 'log', domain: paddedRange(latencies), axis: null },
    marks: [
      Plot.axisX(ticks, {
        text: (tail: number) => String(Number((100 * (1 - 1 / tail)).toFixed(4))),
        label: 'percentile →',
        labelOffset: 36,
      }),
      ...millisecondAxis(latencies, '↑ ms from the due time of the request'),
      Plot.ruleX([100], { stroke: INK.faint, strokeDasharray: '3 3' }),
      Plot.line(points, {
        x: 'tail',
        y: 'ms',
        z: 'name',
        stroke: 'colour',
        strokeWidth: 2,
        curve: 'linear',
      }),
    ],
  })
}

function curvesOf({ variants }: ScenarioResult): CurvePoint[] {
  return variants.flatMap(({ name, summary }, index) =>
    (summary.latency?.curve ?? [])
      .filter(([percentile]) => percentile >= 49 && percentile < 100)
      .map(([percentile, ms]) => ({
        tail: 1 / (1 - percentile / 100),
        ms: Math.max(0.01, ms),
        name,
        colour: seriesColour(index),
      })),
  )
}

/** Every variant of every scenario: requests a second (closed loop) against p99 (open loop, below saturation). */
export function renderThroughputAgainstLatency(results: Results, options: ChartOptions = {}): string {
  const { width = 760, standalone = false } = options
  const points = pointsOf(results)
  if (points.length === 0) return ''
  const narrow = width < 500
  const rates = points.map(({ rate }) => rate)
  const latencies = points.map(({ p99 }) => p99)
  return draw(standalone, {
    width,
    height: narrow ? 320 : 400,
    marginLeft: 52,
    marginRight: narrow ? 20 : 110,
    marginTop: 34,
    marginBottom: 42,
    x: { type: 'log', domain: paddedRange(rates), axis: null },
    y: { type: 'log', domain: paddedRange(latencies), axis: null },
    marks: [
      Plot.axisX(logarithmicTicks(rates, narrow ? [1] : [1, 2, 5]), {
        text: (value: number) => (value >= 1000 ? `${value / 1000}k` : String(value)),
        label: 'requests/s, closed loop →',
        labelOffset: 36,
      }),
      ...millisecondAxis(latencies, '↑ p99 ms, open loop'),
      Plot.line(points, { x: 'rate', y: 'p99', z: 'scenario', stroke: 'colour', strokeOpacity: 0.35 }),
      Plot.dot(points, {
        x: 'rate',
        y: 'p99',
        r: 5,
        stroke: 'colour',
        strokeWidth: 2,
        fill: ({ tuned, colour }: Point) => (tuned ? colour : INK.ground),
      }),
      // The labels of more points would overlap; the tables have all of them.
      ...(narrow || points.length > 24 ? [] : [pointLabels(points)]),
    ],
  })
}

function pointsOf(results: Results): Point[] {
  return chartedScenarios(results).flatMap((scenario, index) =>
    scenario.variants.flatMap(({ name, summary }): Point[] => {
      if (summary.latency === undefined || summary.throughput === 0) return []
      const tuned = name === 'tuned'
      return [
        {
          rate: summary.throughput,
          p99: Math.max(0.01, summary.latency.p99),
          scenario: scenario.name,
          label: tuned ? `${scenario.name}, as shipped` : name,
          colour: seriesColour(index),
          tuned,
        },
      ]
    }),
  )
}

function pointLabels(points: readonly Point[]): Plot.Markish {
  return Plot.text(withoutOverlap(points), {
    x: 'rate',
    y: 'p99',
    text: 'label',
    dx: 9,
    textAnchor: 'start',
    fill: INK.text,
    stroke: INK.ground,
    strokeWidth: 4,
  })
}

/** Moves points up whose labels would overlap another label, on a plot of about 560 by 300 pixels: below is the axis. */
function withoutOverlap(points: readonly Point[]): Point[] {
  const pixelsPerUnit = (values: readonly number[], pixels: number) => {
    const logs = values.map(Math.log)
    return pixels / Math.max(0.5, Math.max(...logs) - Math.min(...logs))
  }
  const perX = pixelsPerUnit(
    points.map(({ rate }) => rate),
    560,
  )
  const perY = pixelsPerUnit(
    points.map(({ p99 }) => p99),
    300,
  )
  const placed: { x: number; y: number }[] = []
  return points
    .toSorted((a, b) => a.p99 - b.p99)
    .map((point) => {
      const x = Math.log(point.rate) * perX
      let y = -Math.log(point.p99) * perY
      for (const other of placed)
        if (Math.abs(other.x - x) < 150 && y < other.y + 14 && y > other.y - 14) y = other.y - 14
      placed.push({ x, y })
      return { ...point, p99: Math.exp(-y / perY) }
    })
}

/** Colours of the scenarios in that chart. */
export function throughputLegend(results: Results): { name: string; colour: string }[] {
  return chartedScenarios(results).map(({ name }, index) => ({ name, colour: seriesColour(index) }))
}

function chartedScenarios({ scenarios }: Results): ScenarioResult[] {
  return scenarios.filter(
    ({ refused, notRun, primary }) =>
      refused === undefined && notRun === undefined && primary === 'throughput',
  )
}
