import { join } from 'node:path'
import { REPOSITORY_ROOT } from '@reference/cli'
import { withBlock } from '../report/document-block.ts'
import { readOverload } from '../report/results-file.ts'
import { renderOverload } from './table.ts'

const PAGE = 'docs/SCALING.md'
const RESULTS = 'bench/baselines/overload.json'

/** The page with the curves of the committed results, by its path in the repository. */
export function overloadPage(): ReadonlyMap<string, string> {
  const table = renderOverload(readOverload(join(REPOSITORY_ROOT, RESULTS)))
  return new Map([[PAGE, withBlock(PAGE, 'overload', table)]])
}
