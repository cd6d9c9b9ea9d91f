import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { REPOSITORY_ROOT, replaceBetween } from '@reference/cli'
import { readResults } from './results-file.ts'
import { renderTable } from './table.ts'

const README = 'README.md'
const RESULTS = 'bench/baselines/2-cores.json'
const SCENARIO = 'user-by-id'
const VARIANT = 'CACHE_L1=off'

/** README.md with a part of the table of the committed results, by its path in the repository. */
export function readmeExcerpt(): ReadonlyMap<string, string> {
  const results = readResults(join(REPOSITORY_ROOT, RESULTS))
  const scenarios = results.scenarios
    .filter(({ name }) => name === SCENARIO)
    .map((scenario) => ({
      ...scenario,
      variants: scenario.variants.filter(
        ({ name }) => name === scenario.variants[0]?.name || name === VARIANT,
      ),
      comparisons: scenario.comparisons.filter(({ variant }) => variant === VARIANT),
    }))
  const block = `\`\`\`\n${renderTable({ ...results, scenarios })}\`\`\`\n`
  const readme = readFileSync(join(REPOSITORY_ROOT, README), 'utf8')
  return new Map([[README, replaceBetween(readme, 'excerpt', block)]])
}
