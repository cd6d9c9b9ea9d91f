import * as Plot from '@observablehq/plot'
import { parseHTML } from 'linkedom'

/** Colours by name; the report and a standalone file define them for light and dark backgrounds. */
export const INK = {
  better: 'var(--better)',
  worse: 'var(--worse)',
  none: 'var(--none)',
  text: 'var(--ink)',
  faint: 'var(--faint)',
} as const

export const LIGHT_COLOURS = `--better:#0b6e99;--worse:#c4470f;--none:#8a949e;--ink:#3d4852;--faint:#c9d1d9;--s0:#0b6e99;--s1:#c4470f;--s2:#6b4fbb;--s3:#8a6d00;--s4:#2e7d32;--s5:#b0307a;--s6:#5b6770`
export const DARK_COLOURS = `--better:#4fb3dd;--worse:#ff8a50;--none:#8a949e;--ink:#aab4be;--faint:#3d4650;--s0:#4fb3dd;--s1:#ff8a50;--s2:#b39dfa;--s3:#e0bd4f;--s4:#7fc784;--s5:#f48ac0;--s6:#9aa6b0`

export interface ChartOptions {
  readonly width?: number
  /** A file of its own, with its colours inside. */
  readonly standalone?: boolean
}

export function seriesColour(index: number): string {
  return `var(--s${index % 7})`
}

/** The range of the values with a margin, so that no mark lies on an axis. */
export function paddedRange(values: readonly number[]): [number, number] {
  return [Math.min(...values) * 0.8, Math.max(...values) * 1.25]
}

/**
 * A logarithmic axis of milliseconds, with its grid. Each tick has an explicit text, because Plot omits the 5 of 1, 2, 5 on
 * an axis of several decades.
 */
export function millisecondAxis(values: readonly number[], label: string): Plot.Markish[] {
  const ticks = logarithmicTicks(values)
  const text = (value: number) => String(Number(value.toPrecision(2)))
  return [Plot.gridY(ticks), Plot.axisY(ticks, { text, label, labelOffset: 44 })]
}

/** Round numbers of a logarithmic axis, 1, 2, 5, 10, …, within the padded range of the values. */
export function logarithmicTicks(values: readonly number[], steps: readonly number[] = [1, 2, 5]): number[] {
  const [lowest, highest] = paddedRange(values)
  const exponents = Array.from({ length: 13 }, (_, i) => i - 3)
  const ticks = exponents
    .flatMap((exponent) => steps.map((step) => step * 10 ** exponent))
    .filter((tick) => tick >= lowest && tick <= highest)
  return ticks.length > 9 ? logarithmicTicks(values, [1]) : ticks
}

/** The chart as SVG. */
export function draw(standalone: boolean, options: Plot.PlotOptions): string {
  const { document } = parseHTML('<!doctype html><html><body></body></html>')
  const svg = Plot.plot({
    ...options,
    document,
    style: { background: 'transparent', color: INK.text, fontSize: '13px', overflow: 'visible' },
  })
  const text = svg.outerHTML
  if (!standalone) return text
  const style = `<style>svg{${LIGHT_COLOURS};--ground:#fff}@media (prefers-color-scheme:dark){svg{${DARK_COLOURS};--ground:#0d1117}}</style>`
  const framed = text.replace(/^<svg /, '<svg xmlns="http://www.w3.org/2000/svg" ').replace(/>/, `>${style}`)
  return `${framed.replace(/( xmlns="http:\/\/www\.w3\.org\/2000\/svg")(.*?)\1/, '$1$2')}\n`
}
