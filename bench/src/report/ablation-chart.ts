import * as Plot from '@observablehq/plot'
import { type ChartOptions, draw, INK } from './chart.ts'
import { times } from './format.ts'
import type { ComparisonResult, Results } from './schema.ts'

interface Bar {
  readonly comparison: ComparisonResult
  readonly label: string
  readonly low: number
  readonly high: number
}

const TICKS = [0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 50, 100, 200, 500, 1000]

/** Every comparison as a bar from 1 (no effect) to its ratio, with its 95 % interval. */
export function renderAblation(results: Results, options: ChartOptions = {}): string {
  const { width = 760, standalone = false } = options
  const bars = barsOf(results)
  if (bars.length === 0) return ''
  const narrow = width < 500
  const domain: [number, number] = [
    Math.min(0.8, ...bars.map(({ low }) => low)) * 0.95,
    Math.max(2, ...bars.map((bar) => endOfText(bar, narrow))),
  ]
  const labelWidth = 24 + 6.7 * Math.max(...bars.map(({ label }) => label.length))
  return draw(standalone, {
    width,
    height: bars.length * (narrow ? 46 : 30) + 62,
    marginLeft: narrow ? 12 : Math.min(440, labelWidth),
    marginRight: 16,
    marginTop: 40,
    marginBottom: 22,
    x: { domain, type: 'log', axis: null },
    y: { axis: null, domain: bars.map(({ label }) => label), padding: narrow ? 0.62 : 0.4 },
    marks: [...axis(domain), ...barMarks(bars, narrow), ...textMarks(bars, narrow)],
  })
}

function barsOf(results: Results): Bar[] {
  const bars = results.scenarios.flatMap(({ name, comparisons }) =>
    comparisons
      .filter(({ verdict }) => verdict !== 'refused')
      .map((comparison): Bar => {
        const { low, high, ratio } = comparison.effect
        // Cuts an interval that exceeds any useful scale.
        const clip = (value: number) => Math.min(Math.max(value, ratio / 20), ratio * 20)
        const label = `${comparison.label} · ${name}${comparison.metric === 'p99' ? ' (p99)' : ''}`
        return { comparison, label, low: clip(low), high: clip(high ?? Infinity) }
      }),
  )
  return bars.toSorted((a, b) => b.comparison.effect.ratio - a.comparison.effect.ratio)
}

/** The end of the text behind a bar, as a value on the axis. */
function endOfText({ high, comparison: { verdict, effect } }: Bar, narrow: boolean): number {
  const [long, short] = narrow ? [6, 1.9] : [4, 1.5]
  return Math.max(1, high, effect.ratio) * (verdict === 'no difference' ? long : short)
}

function axis(domain: readonly [number, number]): Plot.Markish[] {
  const inside = TICKS.filter((tick) => tick >= domain[0] && tick <= domain[1])
  const ticks = inside.length > 8 ? inside.filter((tick) => Number.isInteger(Math.log10(tick))) : inside
  return [
    Plot.axisX(ticks, {
      text: (value: number) => `${value}×`,
      label: 'times better with it than without →',
      anchor: 'top',
    }),
    Plot.gridX(ticks, { stroke: INK.faint, strokeOpacity: 1 }),
  ]
}

function barMarks(bars: readonly Bar[], narrow: boolean): Plot.Markish[] {
  return [
    Plot.barX(bars, {
      x1: 1,
      x2: (bar: Bar) => bar.comparison.effect.ratio,
      y: 'label',
      fill: ({ comparison: { verdict } }: Bar) =>
        verdict === 'better' || verdict === 'worse' ? INK[verdict] : INK.none,
      fillOpacity: 0.85,
      insetTop: narrow ? 8 : 0,
      insetBottom: narrow ? -8 : 0,
    }),
    Plot.ruleY(bars, {
      x1: 'low',
      x2: 'high',
      y: 'label',
      stroke: INK.text,
      strokeWidth: 1.5,
      dy: narrow ? 8 : 0,
    }),
    Plot.ruleX([1], { stroke: INK.text }),
  ]
}

function textMarks(bars: readonly Bar[], narrow: boolean): Plot.Markish[] {
  return [
    Plot.text(bars, {
      x: (bar: Bar) => Math.max(1, bar.high, bar.comparison.effect.ratio),
      y: 'label',
      text: (bar: Bar) => valueText(bar, narrow),
      textAnchor: 'start',
      dx: 7,
      dy: narrow ? 8 : 0,
      fill: INK.text,
      fontWeight: 600,
    }),
    Plot.text(bars, {
      y: 'label',
      text: 'label',
      frameAnchor: 'left',
      textAnchor: narrow ? 'start' : 'end',
      dx: narrow ? 0 : -10,
      dy: narrow ? -11 : 0,
      fill: INK.text,
      // A halo, because on a phone the labels overlap the grid.
      ...(narrow && {
        stroke: INK.ground,
        strokeWidth: 5,
        lineWidth: 25,
        textOverflow: 'ellipsis-end' as const,
      }),
    }),
  ]
}

/** The ratio, and for "no difference" the smallest effect that would be detected. */
function valueText({ comparison }: Bar, narrow: boolean): string {
  const { verdict, effect, detectable } = comparison
  if (verdict !== 'no difference') return times(effect.ratio)
  const smallest = detectable === null ? '' : ` (would see ≥ ${((detectable - 1) * 100).toFixed(0)} %)`
  // On a phone the grey colour alone shows it.
  return `${times(effect.ratio)}${narrow ? '' : ' no difference'}${smallest}`
}
