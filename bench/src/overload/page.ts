import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { REPOSITORY_ROOT } from '@reference/cli'
import { readOverload } from '../report/results-file.ts'
import { renderOverload } from './table.ts'

const PAGE = 'docs/SCALING.md'
const RESULTS = 'bench/baselines/overload.json'
const START = '<!-- overload:start -->\n'
const END = '<!-- overload:end -->'

/** The page with the curves of the committed results, by its path in the repository. */
export function overloadPage(): ReadonlyMap<string, string> {
  const text = readFileSync(join(REPOSITORY_ROOT, PAGE), 'utf8')
  const [before = '', rest = ''] = text.split(START)
  const table = renderOverload(readOverload(join(REPOSITORY_ROOT, RESULTS)))
  return new Map([[PAGE, `${before}${START}${table}${rest.slice(rest.indexOf(END))}`]])
}
