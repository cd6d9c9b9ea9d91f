import * as Plot from '@observablehq/plot'
import { parseHTML } from 'linkedom'
import type { ComparisonResult, Results, ScenarioResult } from './schema.ts'
import { times } from './table.ts'

/** Colours by name; the report and the stand-alone file say what they are on light and on dark ground. */
const ink = {
  better: 'var(--better)',
  worse: 'var(--worse)',
  none: 'var(--none)',
  text: 'var(--ink)',
  faint: 'var(--faint)',
} as const

export const lightColours = `--better:#0b6e99;--worse:#c4470f;--none:#8a949e;--ink:#3d4852;--faint:#c9d1d9;--s0:#0b6e99;--s1:#c4470f;--s2:#6b4fbb;--s3:#8a6d00;--s4:#2e7d32;--s5:#b0307a;--s6:#5b6770`
export const darkColours = `--better:#4fb3dd;--worse:#ff8a50;--none:#8a949e;--ink:#aab4be;--faint:#3d4650;--s0:#4fb3dd;--s1:#ff8a50;--s2:#b39dfa;--s3:#e0bd4f;--s4:#7fc784;--s5:#f48ac0;--s6:#9aa6b0`

const seriesColour = (index: number) => `var(--s${index % 7})`

interface Bar {
  readonly comparison: ComparisonResult
  readonly label: string
  readonly scenario: string
  readonly low: number
  readonly high: number
}

interface ChartOptions {
  readonly width?: number
  /** A file of its own, with its colours inside. */
  readonly standalone?: boolean
}

/** Every comparison as a bar from "no effect" to its ratio, with its 95 % interval: what is each tuning worth? */
export function renderAblation(results: Results, options: ChartOptions = {}): string {
  const { width = 760, standalone = false } = options
  const bars = barsOf(results)
  if (bars.length === 0) return ''
  const narrow = width < 500
  const reach = Math.max(2, ...bars.map(endOf(narrow)))
  const least = Math.min(0.8, ...bars.map(({ low }) => low))
  const axis = { domain: [least * 0.95, reach] }
  const ticks = ticksOf(least * 0.95, reach)
  const rowHeight = narrow ? 46 : 30
  return draw(standalone, {
    width,
    height: bars.length * rowHeight + 62,
    marginLeft: narrow ? 12 : Math.min(440, 24 + 6.7 * Math.max(...bars.map(({ label }) => label.length))),
    marginRight: 16,
    marginTop: 40,
    marginBottom: 22,
    x: { ...axis, type: 'log', axis: null },
    y: { axis: null, domain: bars.map(({ label }) => label), padding: narrow ? 0.62 : 0.4 },
    marks: [
      Plot.axisX(ticks, {
        text: (value: number) => `${value}×`,
        label: 'times better with it than without →',
        anchor: 'top',
      }),
      Plot.gridX(ticks, { stroke: ink.faint, strokeOpacity: 1 }),
      Plot.barX(bars, {
        x1: 1,
        x2: (bar: Bar) => bar.comparison.effect.ratio,
        y: 'label',
        fill: colourOf,
        fillOpacity: 0.85,
        insetTop: narrow ? 8 : 0,
        insetBottom: narrow ? -8 : 0,
      }),
      Plot.ruleY(bars, {
        x1: 'low',
        x2: 'high',
        y: 'label',
        stroke: ink.text,
        strokeWidth: 1.5,
        dy: narrow ? 8 : 0,
      }),
      Plot.ruleX([1], { stroke: ink.text }),
      Plot.text(bars, {
        x: (bar: Bar) => Math.max(1, bar.high, bar.comparison.effect.ratio),
        y: 'label',
        text: (bar: Bar) => valueText(bar, narrow),
        textAnchor: 'start',
        dx: 7,
        dy: narrow ? 8 : 0,
        fill: ink.text,
        fontWeight: 600,
      }),
      Plot.text(bars, {
        y: 'label',
        text: 'label',
        frameAnchor: 'left',
        textAnchor: narrow ? 'start' : 'end',
        dx: narrow ? 0 : -10,
        dy: narrow ? -11 : 0,
        fill: ink.text,
        // A halo: on a phone the labels stand on the grid.
        ...(narrow && {
          stroke: 'var(--ground)',
          strokeWidth: 5,
          lineWidth: 25,
          textOverflow: 'ellipsis-end' as const,
        }),
      }),
    ],
  })
}

/** Where the text behind a bar ends, as a value on its axis. */
const endOf =
  (narrow: boolean) =>
  ({ high, comparison: { verdict, effect } }: Bar): number =>
    Math.max(1, high, effect.ratio) * (verdict === 'no difference' ? (narrow ? 6 : 4) : narrow ? 1.9 : 1.5)

function barsOf(results: Results): Bar[] {
  const bars = results.scenarios.flatMap((scenario) =>
    scenario.comparisons
      .filter(({ verdict }) => verdict !== 'refused')
      .map((comparison): Bar => {
        const { low, high, ratio } = comparison.effect
        // An interval that reaches off any sensible scale is cut there.
        const clip = (value: number) => Math.min(Math.max(value, ratio / 20), ratio * 20)
        const label = `${comparison.label} · ${scenario.name}${comparison.metric === 'p99' ? ' (p99)' : ''}`
        return { comparison, scenario: scenario.title, label, low: clip(low), high: clip(high ?? Infinity) }
      }),
  )
  return bars.toSorted((a, b) => b.comparison.effect.ratio - a.comparison.effect.ratio)
}

function colourOf({ comparison }: Bar): string {
  return comparison.verdict === 'better' ? ink.better : comparison.verdict === 'worse' ? ink.worse : ink.none
}

/** The ratio; for "no difference" also the smallest effect that would have been one. */
function valueText({ comparison }: Bar, narrow: boolean): string {
  const { verdict, effect, detectable } = comparison
  if (verdict !== 'no difference') return times(effect.ratio)
  const shows = detectable === null ? '' : ` (≥ ${((detectable - 1) * 100).toFixed(0)} % shows)`
  // On a phone grey says it.
  return `${times(effect.ratio)}${narrow ? '' : ' no difference'}${shows}`
}

function ticksOf(from: number, to: number): number[] {
  const ticks = [0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 50, 100, 200, 500, 1000].filter(
    (tick) => tick >= from && tick <= to,
  )
  return ticks.length > 8 ? ticks.filter((tick) => /^0?\.?10*$/.test(String(tick))) : ticks
}

/** Latency over the percentiles of one scenario, a line per variant. */
export function renderLatencies(scenario: ScenarioResult, options: ChartOptions = {}): string {
  const { width = 760, standalone = false } = options
  const lines = scenario.variants.flatMap((variant, index) =>
    (variant.summary.latency?.curve ?? [])
      .filter(([percentile]) => percentile >= 49 && percentile < 100)
      .map(([percentile, ms]) => ({
        tail: 1 / (1 - percentile / 100),
        ms: Math.max(0.01, ms),
        name: variant.name,
        colour: seriesColour(index),
      })),
  )
  if (lines.length === 0) return ''
  const reach = Math.max(...lines.map(({ tail }) => tail))
  return draw(standalone, {
    width,
    height: width < 500 ? 240 : 300,
    marginLeft: 52,
    marginRight: 16,
    marginTop: 34,
    marginBottom: 42,
    x: { type: 'log', domain: [2, Math.max(100, reach)], axis: null },
    y: { type: 'log', domain: around(lines.map(({ ms }) => ms)), axis: null },
    marks: [
      Plot.axisX(
        [2, 10, 100, 1000, 10_000, 100_000].filter((tick) => tick <= Math.max(100, reach)),
        {
          text: (tail: number) => String(Number((100 * (1 - 1 / tail)).toFixed(4))),
          label: 'percentile →',
          labelOffset: 36,
        },
      ),
      ...axisY(
        lines.map(({ ms }) => ms),
        '↑ ms from when the request was due',
      ),
      Plot.ruleX([100], { stroke: ink.faint, strokeDasharray: '3 3' }),
      Plot.line(lines, {
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

/** Every variant of every scenario: requests a second (closed loop) against p99 (open loop, below saturation). */
export function renderThroughputAgainstLatency(results: Results, options: ChartOptions = {}): string {
  const { width = 760, standalone = false } = options
  const points = results.scenarios.filter(charted).flatMap((scenario, index) =>
    scenario.variants.flatMap(({ name, summary }) =>
      summary.latency === undefined || summary.throughput === 0
        ? []
        : [
            {
              rate: summary.throughput,
              p99: Math.max(0.01, summary.latency.p99),
              scenario: scenario.name,
              label: name === 'tuned' ? `${scenario.name}, as shipped` : name,
              colour: seriesColour(index),
              tuned: name === 'tuned',
            },
          ],
    ),
  )
  if (points.length === 0) return ''
  const narrow = width < 500
  const rates = points.map(({ rate }) => rate)
  return draw(standalone, {
    width,
    height: narrow ? 320 : 400,
    marginLeft: 52,
    marginRight: narrow ? 20 : 110,
    marginTop: 34,
    marginBottom: 42,
    x: { type: 'log', domain: around(rates), axis: null },
    y: { type: 'log', domain: around(points.map(({ p99 }) => p99)), axis: null },
    marks: [
      Plot.axisX(decades(rates, narrow ? [1] : [1, 2, 5]), {
        text: compact,
        label: 'requests/s, closed loop →',
        labelOffset: 36,
      }),
      ...axisY(
        points.map(({ p99 }) => p99),
        '↑ p99 ms, open loop',
      ),
      Plot.line(points, { x: 'rate', y: 'p99', z: 'scenario', stroke: 'colour', strokeOpacity: 0.35 }),
      Plot.dot(points, {
        x: 'rate',
        y: 'p99',
        r: 5,
        stroke: 'colour',
        strokeWidth: 2,
        fill: (point: (typeof points)[number]) => (point.tuned ? point.colour : 'var(--ground)'),
      }),
      // With more, labels would only hide one another; the table has them all.
      ...(narrow || points.length > 24
        ? []
        : [
            Plot.text(apart(points), {
              x: 'rate',
              y: 'p99',
              text: 'label',
              dx: 9,
              textAnchor: 'start' as const,
              fill: ink.text,
              stroke: 'var(--ground)',
              strokeWidth: 4,
            }),
          ]),
    ],
  })
}

/** The points with those moved down whose labels would lie on another's, on a plot of about 600 by 330 pixels. */
function apart<Point extends { rate: number; p99: number }>(points: readonly Point[]): Point[] {
  const scale = (values: readonly number[], pixels: number) => {
    const logs = values.map(Math.log)
    return pixels / Math.max(0.5, Math.max(...logs) - Math.min(...logs))
  }
  const [perX, perY] = [
    scale(
      points.map(({ rate }) => rate),
      560,
    ),
    scale(
      points.map(({ p99 }) => p99),
      300,
    ),
  ]
  const placed: { x: number; y: number }[] = []
  return points
    .toSorted((a, b) => b.p99 - a.p99)
    .map((point) => {
      const x = Math.log(point.rate) * perX
      let y = -Math.log(point.p99) * perY
      for (const other of placed)
        if (Math.abs(other.x - x) < 150 && y < other.y + 14 && y > other.y - 14) y = other.y + 14
      placed.push({ x, y })
      return { ...point, p99: Math.exp(-y / perY) }
    })
}

function charted({ refused, notRun, primary }: ScenarioResult): boolean {
  return refused === undefined && notRun === undefined && primary === 'throughput'
}

/** Which colour is which scenario in that chart. */
export function throughputLegend(results: Results): { name: string; colour: string }[] {
  return results.scenarios.filter(charted).map(({ name }, index) => ({ name, colour: seriesColour(index) }))
}

/** The values and a little around, so that no mark lies on an axis. */
function around(values: readonly number[]): [number, number] {
  return [Math.min(...values) * 0.8, Math.max(...values) * 1.25]
}

/**
 * A logarithmic axis of milliseconds, with its grid. The text of each tick is said: left to itself, Plot leaves out the
 * 5 of 1, 2, 5 once there are some decades.
 */
function axisY(values: readonly number[], label: string) {
  const ticks = decades(values)
  return [Plot.gridY(ticks), Plot.axisY(ticks, { text: plain, label, labelOffset: 44 })]
}

/** Round numbers of a logarithmic axis: 1, 2, 5, 10, … within the values and a little around. */
function decades(values: readonly number[], steps: readonly number[] = [1, 2, 5]): number[] {
  const [least, most] = around(values)
  const exponents = Array.from({ length: 13 }, (_, i) => i - 3)
  const ticks = exponents.flatMap((exponent) => steps.map((step) => step * 10 ** exponent))
  const inside = ticks.filter((tick) => tick >= least && tick <= most)
  return inside.length > 9 ? decades(values, [1]) : inside
}

function compact(value: number): string {
  return value >= 1000 ? `${value / 1000}k` : String(value)
}

function plain(value: number): string {
  return String(Number(value.toPrecision(2)))
}

function draw(standalone: boolean, options: Plot.PlotOptions): string {
  const { document } = parseHTML('<!doctype html><html><body></body></html>')
  const svg = Plot.plot({
    ...options,
    document,
    style: { background: 'transparent', color: ink.text, fontSize: '13px', overflow: 'visible' },
  })
  const text = svg.outerHTML
  if (!standalone) return text
  const style = `<style>svg{${lightColours};--ground:#fff}@media (prefers-color-scheme:dark){svg{${darkColours};--ground:#0d1117}}</style>`
  const framed = text.replace(/^<svg /, '<svg xmlns="http://www.w3.org/2000/svg" ').replace(/>/, `>${style}`)
  return `${framed.replace(/( xmlns="http:\/\/www\.w3\.org\/2000\/svg")(.*?)\1/, '$1$2')}\n`
}
