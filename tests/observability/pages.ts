import { globSync, readFileSync } from 'node:fs'
import { basename, join } from 'node:path'
import type { Observed } from './stack.ts'

const root = join(import.meta.dirname, '../..')
const RATE_INTERVAL = '2m'
const MINUTES = 4
const COLOURS = [
  '#7eb26d',
  '#eab839',
  '#6ed0e0',
  '#ef843c',
  '#e24d42',
  '#1f78c1',
  '#ba43a9',
  '#705da0',
  '#508642',
]

interface Panel {
  type: string
  title: string
  gridPos: { x: number; y: number; w: number; h: number }
  fieldConfig?: { defaults?: { unit?: string; max?: number; thresholds?: { steps: Step[] } } }
  options?: { textMode?: string }
  targets?: Target[]
}

interface Step {
  value: number | null
  color: string
}

interface Target {
  expr: string
  legendFormat?: string
  datasource?: { type?: string }
}

interface Series {
  metric: Record<string, string>
  values: [time: number, value: string][]
}

/** Each dashboard as a page with the layout that Grafana gives it, its queries answered by the live Prometheus. */
export async function drawPages(stack: Observed): Promise<[name: string, html: string][]> {
  const pages: [string, string][] = []
  for (const file of globSync('infra/grafana/dashboards/*.json', { cwd: root }).sort()) {
    const { title, panels } = JSON.parse(readFileSync(join(root, file), 'utf8')) as {
      title: string
      panels: Panel[]
    }
    const drawn: string[] = []
    for (const panel of panels) drawn.push(await draw(stack, panel))
    const height = Math.max(...panels.map(({ gridPos: { y, h } }) => y + h)) * 32
    pages.push([`${basename(file, '.json')}.html`, pageOf(title, drawn.join('\n'), height)])
  }
  return pages
}

async function draw(stack: Observed, panel: Panel): Promise<string> {
  const { x, y, w, h } = panel.gridPos
  const place = `left:${(x / 24) * 100}%;top:${y * 32}px;width:${(w / 24) * 100}%;height:${h * 32}px`
  if (panel.type === 'row') return `<div class=row style="${place}">${escapeHtml(panel.title)}</div>`
  const targets = panel.targets ?? []
  const asked = targets.filter(({ datasource }) => datasource?.type !== 'loki')
  const columns = await Promise.all(asked.map((target) => rangeOf(stack, target)))
  const lines = columns.flat()
  const inside =
    panel.type === 'table'
      ? table(columns)
      : (DRAW[panel.type]?.(panel, lines) ?? graph(panel, lines, w * 50, h * 32 - 76))
  return `<div class=panel style="${place}"><div class=inner><b>${escapeHtml(panel.title)}</b>${inside}</div></div>`
}

const DRAW: Record<string, (panel: Panel, lines: Line[]) => string> = {
  stat: stats,
  bargauge: bars,
  logs: ({ targets = [] }) => `<pre>${escapeHtml(targets.map(({ expr }) => expr).join('\n'))}</pre>`,
}

interface Line {
  name: string
  metric: Record<string, string>
  points: [time: number, value: number][]
}

async function rangeOf(stack: Observed, { expr, legendFormat = '' }: Target): Promise<Line[]> {
  const end = Date.now() / 1000
  const query = encodeURIComponent(expr.replaceAll('$__rate_interval', RATE_INTERVAL))
  const path = `query_range?query=${query}&start=${end - MINUTES * 60}&end=${end}&step=5`
  const { result } = (await stack.prometheus(path)) as { result: Series[] }
  return result.map(({ metric, values }) => ({
    metric,
    name: legendFormat.replace(/\{\{\s*(\w+)\s*\}\}/g, (_, label) => metric[label] ?? ''),
    points: values.map(([time, value]) => [time, Number(value)]),
  }))
}

const latest = ({ points }: Line) => points.at(-1)?.[1] ?? Number.NaN

function stats({ fieldConfig, options }: Panel, lines: Line[]): string {
  const { unit, thresholds } = fieldConfig?.defaults ?? {}
  const values = lines.map((line) => {
    const name = escapeHtml(line.name)
    if (options?.textMode === 'name') return `<div class=stat>${name}</div>`
    const colour = thresholds?.steps.findLast(({ value }) => value === null || latest(line) >= value)?.color
    return `<div class=stat style="color:${colour}">${numeral(latest(line), unit)}<small>${name}</small></div>`
  })
  return values.join('') || '<i>no data</i>'
}

function bars({ fieldConfig }: Panel, lines: Line[]): string {
  const most = Math.max(...lines.map(latest))
  const rows = lines.map((line) => {
    const width = (latest(line) / most) * 100
    const value = numeral(latest(line), fieldConfig?.defaults?.unit)
    return `<tr><td>${escapeHtml(line.name)}<td width=50%><div class=bar style="width:${width}%"></div><td>${value}`
  })
  return rows.length === 0 ? '<i>no data</i>' : `<table>${rows.join('')}</table>`
}

/** One row for each set of labels, one column for each query. */
function table(columns: Line[][]): string {
  const rows = new Map<string, string[]>()
  for (const [index, lines] of columns.entries()) {
    for (const line of lines) {
      const key = Object.values(line.metric).map(escapeHtml).join('<td>')
      const row = rows.get(key) ?? []
      row[index] = numeral(latest(line))
      rows.set(key, row)
    }
  }
  const text = [...rows].map(([key, values]) => `<tr><td>${key}<td>${values.join('<td>')}`)
  return text.length === 0 ? '<i>no data</i>' : `<table>${text.join('')}</table>`
}

function graph({ fieldConfig }: Panel, lines: Line[], width: number, height: number): string {
  if (lines.length === 0) return '<i>no data</i>'
  const all = lines.flatMap(({ points }) => points).filter(([, value]) => Number.isFinite(value))
  const from = Math.min(...all.map(([time]) => time))
  const to = Math.max(...all.map(([time]) => time))
  const most = fieldConfig?.defaults?.max ?? (Math.max(...all.map(([, value]) => value), 0) || 1)
  const paths = lines.map(({ points }, index) => {
    const places = points
      .filter(([, value]) => Number.isFinite(value))
      .map(([time, value]) => {
        const left = ((time - from) / (to - from || 1)) * width
        return `${left.toFixed(1)},${(height - (value / most) * height).toFixed(1)}`
      })
    return `<polyline points="${places.join(' ')}" stroke="${COLOURS[index % COLOURS.length]}"/>`
  })
  const names = lines.map(({ name }, index) => {
    const colour = COLOURS[index % COLOURS.length]
    return `<span style="color:${colour}">■</span> ${escapeHtml(name)}`
  })
  const top = numeral(most, fieldConfig?.defaults?.unit)
  const svg = `<svg viewBox="0 0 ${width} ${height}" preserveAspectRatio=none style="height:${height}px">${paths.join('')}</svg>`
  return `<span class=top>${top}</span>${svg}<div class=legend>${names.join(' ')}</div>`
}

function numeral(value: number, unit = ''): string {
  if (unit === 'percentunit') return `${(value * 100).toPrecision(3)} %`
  if (unit === 'bytes') return `${(value / 1024 / 1024).toFixed(1)} MiB`
  if (unit === 's') return value < 1 ? `${(value * 1000).toPrecision(3)} ms` : `${value.toPrecision(3)} s`
  const digits = Number.isInteger(value) ? value : Number(value.toPrecision(4))
  return `${digits} ${unit.replace('suffix: ', '')}`
}

function escapeHtml(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;')
}

function pageOf(title: string, body: string, height: number): string {
  return `<!doctype html><meta charset=utf-8><title>${title}</title><style>
body{margin:8px;background:#111217;color:#ccccdc;font:12px sans-serif}
main{position:relative;height:${height}px}.panel,.row{position:absolute;box-sizing:border-box;padding:3px}
.row{padding-top:10px;font-weight:bold}.inner{background:#181b1f;border:1px solid #2c3235;height:100%;padding:6px;box-sizing:border-box;overflow:hidden;position:relative}
svg{width:100%;display:block;margin-top:4px}polyline{fill:none;stroke-width:1.2;vector-effect:non-scaling-stroke}
.inner>b{display:block}table{width:100%;margin-top:4px}td{padding:1px 6px}.bar{background:#73bf69;height:11px}pre{white-space:pre-wrap;color:#9fa7b3}.legend{color:#9fa7b3;font-size:11px;height:28px;overflow:hidden}.top{position:absolute;right:6px;top:6px;color:#9fa7b3}.stat{display:inline-block;font-size:20px;margin:8px 10px 0 0}small{display:block;font-size:11px;color:#9fa7b3}
</style><h2>${title}</h2><main>${body}</main>
`
}
