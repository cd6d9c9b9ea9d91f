import { boundText, type DuetResults, type Row, rateText, ratioText, type Side } from './duet-results.ts'

/** Colours are attributes of each element, since not every viewer of SVG reads a style sheet. Legible on white, which is drawn. */
const COLOURS: Readonly<Record<string, string>> = { ours: '#0b6e99', go: '#7aa5b8', fastapi: '#c4470f' }
const [INK, FAINT] = ['#24292f', '#57606a']
const FONT = 'font-family="system-ui, sans-serif"'

const WIDTH = 800
const LABEL_WIDTH = 320
const BAR_HEIGHT = 15
const BAR_PITCH = 18
const ROW_GAP = 16
/** Width of a bar at its longest; behind it is the text. */
const BAR_WIDTH = 170
const TOP = 34

/**
 * Requests a second of each server as bars, for each path on a scale of its own: the fastest server of a path has the longest
 * bar. Behind the bars of the others is how many times more ours does, with its 95 % interval.
 */
export function peersChart({ rows }: DuetResults): string {
  let y = TOP
  const parts: string[] = []
  for (const row of rows) {
    const sides = row.sides.filter(({ figures }) => figures !== undefined)
    parts.push(
      text(LABEL_WIDTH - 12, y + (sides.length * BAR_PITCH) / 2 + 3, row.title, {
        anchor: 'end',
        weight: 500,
      }),
    )
    for (const side of sides) {
      parts.push(...bar(side, row, y))
      y += BAR_PITCH
    }
    y += ROW_GAP
  }
  const label = 'Requests a second of ours, Go and FastAPI on one core, by path'
  return `<svg xmlns="http://www.w3.org/2000/svg" width="${WIDTH}" height="${y}" viewBox="0 0 ${WIDTH} ${y}" role="img" aria-label="${label}">
<rect width="${WIDTH}" height="${y}" fill="#ffffff"/>
${text(12, 20, `${label}; each path on its own scale`, { weight: 400 })}
${parts.join('\n')}
</svg>
`
}

function bar({ name, label, figures, effect }: Side, { sides }: Row, y: number): string[] {
  const rate = figures?.rate ?? 0
  const fastest = Math.max(...sides.map((side) => side.figures?.rate ?? 0))
  const width = Math.max(1, (rate / fastest) * BAR_WIDTH)
  const compared =
    effect === undefined ? '' : ` · ours ${ratioText(effect.rate.ratio)}${interval(effect.rate)}`
  const value = `${label} ${rateText(rate)}/s${compared}`
  return [
    `<rect x="${LABEL_WIDTH}" y="${y}" width="${width.toFixed(1)}" height="${BAR_HEIGHT}" fill="${COLOURS[name] ?? FAINT}"/>`,
    text(LABEL_WIDTH + width + 6, y + 11.5, value, { size: 11.5 }),
  ]
}

function interval({ low, high }: { low: number; high: number | null }): string {
  return high === null ? '' : ` (${boundText(low)}–${boundText(high)})`
}

function text(
  x: number,
  y: number,
  content: string,
  {
    anchor = 'start',
    weight = 400,
    size = 13,
    fill = INK,
  }: { anchor?: string; weight?: number; size?: number; fill?: string },
): string {
  const escaped = content.replaceAll('&', '&amp;').replaceAll('<', '&lt;')
  return `<text x="${x.toFixed(1)}" y="${y.toFixed(1)}" ${FONT} font-size="${size}" font-weight="${weight}" fill="${fill}" text-anchor="${anchor}">${escaped}</text>`
}
