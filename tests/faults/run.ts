import { readFileSync, writeFileSync } from 'node:fs'
import { availableParallelism } from 'node:os'
import { join } from 'node:path'
import { action, EXIT_CODES, flag, REPOSITORY_ROOT, runCommand } from '@reference/cli'
import { type Cell, type CellResult, runCell } from './cell.ts'
import { CELLS } from './cells.ts'
import { type FaultStack, startFaultStack } from './stack.ts'

const FILE = join(REPOSITORY_ROOT, 'tests/faults/recorded.json')

await runCommand(
  'node tests/faults/run.ts',
  action({
    summary: 'Run the fault matrix and record what it shows, for docs/FAULTS.md (pnpm generate faults).',
    positionals: {
      placeholder: 'words …',
      help: 'only cells whose name contains one of them; others stay as recorded',
    },
    options: { check: flag({ help: 'record nothing' }) },
    async run({ check }, words) {
      const chosen = CELLS.filter(
        (cell) => words.length === 0 || words.some((word) => nameOf(cell).includes(word)),
      )
      const results = await runAll(chosen, check ? () => {} : record)
      const failed = results.filter(({ problems }) => problems.length > 0)
      process.stdout.write(`${results.length} cells, ${failed.length} with problems\n`)
      return failed.length > 0 ? EXIT_CODES.FAILED : EXIT_CODES.OK
    },
  }),
)

function nameOf({ system, fault }: Pick<Cell, 'system' | 'fault'>): string {
  return `${system}: ${fault}`
}

/** @param record receives all results after each cell, so that a run that is ended keeps what it has shown */
async function runAll(
  cells: readonly Cell[],
  record: (results: readonly CellResult[]) => void,
): Promise<CellResult[]> {
  const ends: (() => unknown)[] = []
  const scope = { teardown: (end: () => unknown) => ends.push(end) }
  try {
    const stack = await startFaultStack(scope)
    const results: CellResult[] = []
    for (const cell of cells) {
      results.push(await run(stack, cell))
      record(results)
    }
    return results
  } finally {
    for (const end of ends.reverse()) await end()
  }
}

async function run(stack: FaultStack, cell: Cell): Promise<CellResult> {
  const result = await runCell(stack, cell).catch(
    (error: Error): CellResult => ({
      ...{ system: cell.system, fault: cell.fault, heldMs: cell.holdMs, outcomes: {}, slowestMs: {} },
      ...{ recoveryMs: Number.NaN, acknowledged: 0, exit: null, problems: [error.message] },
    }),
  )
  process.stdout.write(`${nameOf(cell)}: ${JSON.stringify(result)}\n`)
  return result
}

/** Keeps the recorded cells that did not run now, in the order of the matrix. */
function record(results: readonly CellResult[]): void {
  const before: { cells: CellResult[] } = readRecorded()
  const cells = CELLS.flatMap((cell) => {
    const isIt = (result: CellResult) => nameOf(result) === nameOf(cell)
    return results.find(isIt) ?? before.cells.find(isIt) ?? []
  })
  const recorded = {
    node: process.version,
    cores: availableParallelism(),
    date: new Date().toISOString().slice(0, 10),
    cells,
  }
  writeFileSync(FILE, `${JSON.stringify(recorded, null, 2)}\n`)
}

function readRecorded(): { cells: CellResult[] } {
  try {
    return JSON.parse(readFileSync(FILE, 'utf8'))
  } catch {
    return { cells: [] }
  }
}
