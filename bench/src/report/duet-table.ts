import type { DuetResults, DuetRowResult, DuetSideResult } from './duet-schema.ts'
import { alignColumns, number, times } from './format.ts'

const COLUMNS = [
  '',
  'requests/s',
  'ours against it',
  '95 % interval',
  'CPU µs, at the maximum',
  'at a fixed rate',
  'ours against it',
  'generator busy',
]

/** The results of `bench floor` or `bench peers` as text for a terminal. */
export function renderDuetTable(results: DuetResults): string {
  const { rows, starts, warnings, versions, seconds } = results
  return [
    ...rows.map(renderRow),
    ...(starts.length > 0 ? [renderStarts(starts)] : []),
    `Versions: ${Object.entries(versions)
      .map(([name, version]) => `${name} ${version}`)
      .join(', ')}`,
    `Ratios are ours divided by the other side; CPU is the time of the server's process a request. ${seconds} s.`,
    ...warnings.map((warning) => `warning: ${warning}`),
  ].join('\n')
}

function renderRow({ title, name, connections, sides, fixedRatePerSecond }: DuetRowResult): string {
  const head = `${title} (${name}, ${connections} callers; fixed rate ${number(fixedRatePerSecond)}/s)`
  const absent = sides.flatMap(({ label, notRun }) =>
    notRun === undefined ? [] : [`  ${label}: not run: ${notRun}\n`],
  )
  const measured = sides.filter(({ figures }) => figures !== undefined)
  const table = measured.length > 0 ? `${alignColumns([COLUMNS, ...measured.map(cellsOf)])}\n` : ''
  const failed = measured.flatMap(({ label, figures }) =>
    figures && figures.errors > 0 ? [`  ${label}: ${number(figures.errors)} requests failed\n`] : [],
  )
  return `${head}\n${table}${[...failed, ...absent].join('')}`
}

function cellsOf({ name, label, figures, effect }: DuetSideResult): string[] {
  return [
    label,
    number(figures?.rate ?? 0),
    effect ? times(effect.rate.ratio) : '',
    effect ? intervalText(effect.rate) : name === 'ours' ? '' : 'no boot counts',
    micros(figures?.cpuMicros),
    micros(figures?.fixedRateCpuMicros),
    effect?.fixedRateCpu ? times(effect.fixedRateCpu.ratio) : '',
    `${((figures?.generatorShare ?? 0) * 100).toFixed(0)} %`,
  ]
}

function renderStarts(starts: DuetResults['starts']): string {
  const rows = starts.map(({ label, startMs, idleBytes, loadedBytes, effect }, i) => [
    label,
    startMs.toFixed(0),
    i === 0 ? '' : times(effect.ratio),
    i === 0 ? '' : intervalText(effect),
    (idleBytes / 1e6).toFixed(0),
    (loadedBytes / 1e6).toFixed(0),
  ])
  const columns = ['', 'start ms', 'ours against it', '95 % interval', 'MB idle', 'MB after load']
  return `Start to the first reply of /health, and resident memory\n${alignColumns([columns, ...rows])}\n`
}

function intervalText({ low, high, boots }: NonNullable<DuetSideResult['effect']>['rate']): string {
  if (high === null) return `none: ${boots} boot${boots === 1 ? '' : 's'}`
  return `${low.toFixed(2)}–${high.toFixed(2)}`
}

function micros(value: number | null | undefined): string {
  return value === null || value === undefined ? '–' : value.toFixed(1)
}
