import type { Cell } from './cell.ts'
import { postgresCells } from './postgres-cells.ts'
import { processCells } from './process-cells.ts'
import { queueCells } from './queue-cells.ts'
import { redisCells } from './redis-cells.ts'
import { upstreamCells } from './upstream-cells.ts'

/** The whole matrix. */
export const CELLS: readonly Cell[] = [
  ...postgresCells,
  ...redisCells,
  ...upstreamCells,
  ...queueCells,
  ...processCells,
]
