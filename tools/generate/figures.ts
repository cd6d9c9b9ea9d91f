import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { REPOSITORY_ROOT, replaceBetween } from '@reference/cli'
import { ablationSentence, ablationTable, withComparisons } from './comparisons.ts'
import {
  baselinePath,
  boundText,
  type DuetResults,
  type Interval,
  type Row,
  rateText,
  ratioText,
  readBaseline,
} from './duet-results.ts'
import type { GeneratedFiles } from './generated-files.ts'
import { peersChart } from './peers-chart.ts'
import { withEstimates } from './scaling.ts'

const README = 'README.md'
const TUNING = 'docs/TUNING.md'
const SCALING = 'docs/SCALING.md'
const CHART = 'docs/images/peers.svg'
/** The sides of `pnpm bench peers` beside ours. */
const OTHERS: Readonly<Record<string, string>> = { go: 'Go with gin', fastapi: 'FastAPI' }

/** The charts and figures of README.md, docs/TUNING.md and docs/SCALING.md, from the committed results of the benchmark. */
export function figureFiles(): GeneratedFiles {
  const [floor, peers] = [readBaseline('floor'), readBaseline('peers')]
  const tuning = withAblation(withComparisons(read(TUNING)), ablationTable())
  const readme = withAblation(read(README), ablationSentence())
  const scaling = withEstimates(withComparisons(read(SCALING)))
  if (floor === undefined || peers === undefined) {
    return new Map([
      [TUNING, tuning],
      [README, readme],
      [SCALING, scaling],
    ])
  }
  const tables = `${pathTable(floor, peers)}\n${startTable(floor, peers)}\n${versionsOf(peers)}`
  return new Map([
    [CHART, peersChart(peers)],
    [TUNING, replaceBetween(tuning, 'beside', tables)],
    [README, replaceBetween(readme, 'peers', sentence(peers))],
    [SCALING, scaling],
  ])
}

const read = (path: string) => readFileSync(join(REPOSITORY_ROOT, path), 'utf8')

function withAblation(document: string, content: string | undefined): string {
  return content === undefined ? document : replaceBetween(document, 'ablation', content)
}

/** The least and the greatest ratio to each of the others. */
function sentence(peers: DuetResults): string {
  const clauses = Object.entries(OTHERS).map(([side, name]) => {
    const ratios = peers.rows
      .flatMap((row) => {
        const interval = intervalOf(row, side)
        return interval === undefined ? [] : [{ title: row.title, interval }]
      })
      .toSorted((a, b) => a.interval.ratio - b.interval.ratio)
    const ends = [ratios.at(0), ratios.at(-1)].flatMap((end) =>
      end === undefined ? [] : [`${against(end.interval)} (\`${end.title}\`)`],
    )
    return `against ${name} from ${ends.join(' to ')}`
  })
  const versions = Object.values(peers.versions).flatMap((all) => all.split(', '))
  const named = versions.filter((version) => /^(go\d|gin |fastapi )/.test(version))
  return `![Requests a second of ours, Go and FastAPI on one core, by path](${CHART})

Requests a second on one core, ours divided by theirs: ${clauses.join(',\n')}. Versions: ${named.join(', ')}.
`
}

function versionsOf({ fingerprint, versions }: DuetResults): string {
  const others = ['Go (gin)', 'FastAPI'].flatMap((name) => versions[name] ?? []).join('; ')
  return `Each server has one core to itself while it is loaded. Node ${fingerprint.node.replace('v', '')}; ${others};
${fingerprint.cores} cores of an ${fingerprint.cpuModel} ([all figures](../${baselinePath('peers')})).
`
}

function against(interval: Interval): string {
  return `**${ratioText(interval.ratio)}**`
}

/** A row for each path of either run. */
function pathTable(floor: DuetResults, peers: DuetResults): string {
  const names = new Set([...floor.rows, ...peers.rows].map(({ name }) => name))
  const lines = [...names].map((name) => {
    const [below, beside] = [floor, peers].map(({ rows }) => rows.find((row) => row.name === name))
    const ours = (beside ?? below)?.sides[0]?.figures
    const lowest = below?.sides.find(({ name: side, figures }) => side !== 'ours' && figures !== undefined)
    const floorCell = lowest?.effect ? `${cell(lowest.effect.rate)}, ${lowest.label}` : '–'
    const cpu = ['ours', 'go', 'fastapi'].map((side) => micros(beside ?? below, side)).join(' / ')
    return [
      (below ?? beside)?.title ?? name,
      rateText(ours?.rate ?? 0),
      floorCell,
      cell(intervalOf(below, 'fastify')),
      cell(intervalOf(beside, 'go')),
      cell(intervalOf(beside, 'fastapi')),
      cpu,
    ]
  })
  const head = [
    'path',
    'ours, requests/s',
    'against its floor',
    'against bare Fastify',
    'against Go',
    'against FastAPI',
    'CPU µs a request at a fixed rate: ours / Go / FastAPI',
  ]
  return table([head, ...lines])
}

function startTable(floor: DuetResults, peers: DuetResults): string {
  const lines = [...floor.starts, ...peers.starts.slice(1)].map(
    ({ label, startMs, idleBytes, loadedBytes }) => [
      label,
      startMs.toFixed(0),
      (idleBytes / 1e6).toFixed(0),
      (loadedBytes / 1e6).toFixed(0),
    ],
  )
  return table([['process', 'start to the first reply, ms', 'MB idle', 'MB after load'], ...lines])
}

function table([head = [], ...rows]: readonly (readonly string[])[]): string {
  const rule = head.map((_, i) => (i === 0 ? '---' : '---:'))
  return [head, rule, ...rows].map((cells) => `| ${cells.join(' | ')} |\n`).join('')
}

function intervalOf(row: Row | undefined, side: string): Interval | undefined {
  return row?.sides.find(({ name }) => name === side)?.effect?.rate
}

function cell(interval: Interval | undefined): string {
  return interval === undefined ? '–' : `${ratioText(interval.ratio)}${bounds(interval)}`
}

function bounds({ low, high }: Interval): string {
  return high === null ? '' : ` (${boundText(low)}–${boundText(high)})`
}

function micros(row: Row | undefined, side: string): string {
  const value = row?.sides.find(({ name }) => name === side)?.figures?.fixedRateCpuMicros
  return value === null || value === undefined ? '–' : value.toFixed(0)
}
