import * as Plot from '@observablehq/plot'
import { parseHTML } from 'linkedom'

/** Colours by name. The report defines the names for light and dark backgrounds; a standalone file has the light values inside. */
export const INK = {
  better: 'var(--better)',
  worse: 'var(--worse)',
  none: 'var(--none)',
  text: 'var(--ink)',
  faint: 'var(--faint)',
  ground: 'var(--ground)',
} as const

const LIGHT = {
  better: '#0b6e99',
  worse: '#c4470f',
  none: '#8a949e',
  ink: '#3d4852',
  faint: '#c9d1d9',
  ground: '#ffffff',
  s0: '#0b6e99',
  s1: '#c4470f',
  s2: '#6b4fbb',
  s3: '#8a6d00',
  s4: '#2e7d32',
  s5: '#b0307a',
  s6: '#5b6770',
} as const

const DARK: Readonly<Record<keyof typeof LIGHT, string>> = {
  better: '#4fb3dd',
  worse: '#ff8a50',
  none: '#8a949e',
  ink: '#aab4be',
  faint: '#3d4650',
  ground: '#0f1419',
  s0: '#4fb3dd',
  s1: '#ff8a50',
  s2: '#b39dfa',
  s3: '#e0bd4f',
  s4: '#7fc784',
  s5: '#f48ac0',
  s6: '#9aa6b0',
}

/** The colours as CSS declarations, for the report. */
export const LIGHT_COLOURS = declarations(LIGHT)
export const DARK_COLOURS = declarations(DARK)

export interface ChartOptions {
  readonly width?: number
  /** A file of its own, for any viewer of SVG: colours as attributes, and a ground under the chart. */
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

const FONT_SIZE = 13

/** The chart as SVG: for the report, which defines its colours, or as a file of its own. */
export function draw(standalone: boolean, options: Plot.PlotOptions): string {
  const { document } = parseHTML('<!doctype html><html><body></body></html>')
  const svg = Plot.plot({
    ...options,
    document,
    style: { background: 'transparent', color: INK.text, fontSize: `${FONT_SIZE}px`, overflow: 'visible' },
  })
  return standalone ? standaloneText(svg.outerHTML) : svg.outerHTML
}

/**
 * The chart as a file. Viewers other than browsers ignore style sheets and custom properties: bars were black there, and
 * the grid and the intervals invisible. Every colour is therefore an attribute with a plain value. The white ground makes the
 * chart readable on a dark page.
 */
function standaloneText(svg: string): string {
  const ground = `<rect width="100%" height="100%" fill="${LIGHT.ground}"></rect>`
  const text = svg
    .replaceAll(/<style>.*?<\/style>/gs, '')
    .replaceAll(/ (class|style|xmlns)="[^"]*"/g, '')
    .replaceAll(/var\(--(\w+)\)/g, (_, name: string) => plainColour(name))
    .replaceAll('currentColor', LIGHT.ink)
    .replace(/ font-size="10"/, ` font-size="${FONT_SIZE}"`)
    .replace('<svg', '<svg xmlns="http://www.w3.org/2000/svg"')
    .replace('>', `>${ground}`)
  return `${text}\n`
}

function plainColour(name: string): string {
  const value = Object.entries(LIGHT).find(([known]) => known === name)?.[1]
  if (value === undefined) throw new Error(`There is no colour --${name}`)
  return value
}

function declarations(colours: Readonly<Record<string, string>>): string {
  return Object.entries(colours)
    .map(([name, value]) => `--${name}:${value}`)
    .join(';')
}
