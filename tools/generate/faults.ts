import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { REPOSITORY_ROOT, replaceBetween } from '@reference/cli'
import type { GeneratedFiles } from './generated-files.ts'
import { KINDS, type RecordedCell, type RecordedFaults } from './recorded-faults.ts'

const FILE = 'docs/FAULTS.md'

/** The table of docs/FAULTS.md, from the recorded run. */
export function faultFiles(): GeneratedFiles {
  const read = (path: string) => readFileSync(join(REPOSITORY_ROOT, path), 'utf8')
  const recorded = JSON.parse(read('tests/faults/recorded.json')) as RecordedFaults
  return new Map([[FILE, replaceBetween(read(FILE), 'faults', tableOf(recorded))]])
}

function tableOf({ node, cores, date, cells }: RecordedFaults): string {
  const writes = cells.reduce((sum, { acknowledged }) => sum + acknowledged, 0)
  const summary = `${cells.length} cells, recorded on ${date} with Node ${node} on ${cores} cores: ${writes.toLocaleString('en')} acknowledged writes,
each present exactly once.`
  const systems = [...new Set(cells.map(({ system }) => system))]
  const tables = systems.map((system) => {
    const rows = cells.filter((cell) => cell.system === system).map(rowOf)
    return `### ${system}\n\n| fault | for | ${KINDS.join(' | ')} | back after | writes |\n|${'---|'.repeat(KINDS.length + 4)}\n${rows.join('\n')}\n`
  })
  return `${summary}\n\n${tables.join('\n')}`
}

function rowOf(cell: RecordedCell): string {
  const kinds = KINDS.map((kind) => replies(cell.outcomes[kind] ?? {}, cell.slowestMs[kind] ?? 0))
  const exit = cell.exit === null ? '' : ` (exit ${cell.exit})`
  return `| ${cell.fault}${exit} | ${seconds(cell.heldMs)} | ${kinds.join(' | ')} | ${seconds(cell.recoveryMs)} | ${cell.acknowledged} |`
}

/** The statuses, the most frequent first, and the slowest reply. */
function replies(outcomes: Readonly<Record<string, number>>, slowestMs: number): string {
  const names = Object.entries(outcomes)
    .sort(([, one], [, other]) => other - one)
    .map(([name]) => name)
  return names.length === 0 ? '–' : `${names.join(', ')}; ${seconds(slowestMs)}`
}

function seconds(ms: number): string {
  return `${(ms / 1000).toFixed(ms < 10_000 ? 1 : 0)} s`
}
