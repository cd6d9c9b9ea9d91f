import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { REPOSITORY_ROOT, replaceBetween } from '@reference/cli'
import { readOverload } from '../report/results-file.ts'
import { renderOverload } from './table.ts'

const PAGE = 'docs/SCALING.md'
const RESULTS = 'bench/baselines/overload.json'

/** The page with the curves of the committed results, by its path in the repository. */
export function overloadPage(): ReadonlyMap<string, string> {
  const table = renderOverload(readOverload(join(REPOSITORY_ROOT, RESULTS)))
  const page = readFileSync(join(REPOSITORY_ROOT, PAGE), 'utf8')
  return new Map([[PAGE, replaceBetween(page, 'overload', table)]])
}
