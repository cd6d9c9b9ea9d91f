import t from 'tap'
import { runCell } from './cell.ts'
import { CELLS } from './cells.ts'
import { startFaultStack } from './stack.ts'

// A short selection; `pnpm exec node tests/faults/run.ts` runs the whole matrix and writes what docs/FAULTS.md shows.

const stack = await startFaultStack(t)

for (const cell of CELLS.filter(({ isShort }) => isShort)) {
  t.test(`${cell.system}: ${cell.fault}`, async (t) => {
    const { problems, acknowledged, ...result } = await runCell(stack, cell)
    t.same(problems, [], JSON.stringify(result))
    t.ok(acknowledged > 0, `${acknowledged} writes were acknowledged, and each is there once`)
  })
}
