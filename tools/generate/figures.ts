import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { REPOSITORY_ROOT } from '@reference/cli'
import { ablationTable, withComparisons } from './comparisons.ts'
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
import { replaceBetween } from './replace-between.ts'

const TUNING = 'docs/TUNING.md'
const CHART = 'docs/images/peers.svg'

/** The charts and figures of docs/TUNING.md, from the committed results of the benchmark. */
export function figureFiles(): GeneratedFiles {
  const [floor, peers] = [readBaseline('floor'), readBaseline('peers')]
  const tuning = withComparisons(readFileSync(join(REPOSITORY_ROOT, TUNING), 'utf8'))
  if (floor === undefined || peers === undefined) return new Map([[TUNING, tuning]])
  return new Map([
    [CHART, peersChart(peers)],
    [TUNING, replaceBetween(tuning, 'beside', `${pathTable(floor, peers)}\n${startTable(floor, peers)}`)],
  ])
}

/** README.md with its measured figures. */
export function withFigures(readme: string): string {
  const [ablation, peers] = [ablationTable(), readBaseline('peers')]
  const measured = ablation === undefined ? readme : replaceBetween(readme, 'ablation', ablation)
  return peers === undefined ? measured : replaceBetween(measured, 'peers', sentence(peers))
}

function sentence(peers: DuetResults): string {
  const { fingerprint, versions } = peers
  const clauses = ['cached-user', 'user-from-postgres', 'all', 'all-not-shared'].flatMap((name) => {
    const row = peers.rows.find((each) => each.name === name)
    const [go, fastapi] = [intervalOf(row, 'go'), intervalOf(row, 'fastapi')]
    if (row === undefined || go === undefined || fastapi === undefined) return []
    return `- \`${row.title}\`: ${against(go)} as many requests a second as Go, ${against(fastapi)} as many as FastAPI`
  })
  const machine = `${fingerprint.cores} cores of an ${fingerprint.cpuModel}`
  const others = ['Go (gin)', 'FastAPI'].flatMap((name) => versions[name] ?? []).join('; ')
  return `![Requests a second of ours, Go and FastAPI on one core, by path](${CHART})

${clauses.join('\n')}

Each server has one core to itself while it is loaded. In brackets: the 95 % interval. Node ${fingerprint.node.replace('v', '')}; ${others};
${machine} ([all figures](${baselinePath('peers')})).
`
}

function against(interval: Interval): string {
  return `**${ratioText(interval.ratio)}**${bounds(interval)}`
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
