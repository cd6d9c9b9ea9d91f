/**
 * Draws the committed charts, and writes the table of the overload and the excerpt of README.md, again from the committed results:
 * `node bench/src/report/write-charts.ts`.
 */
import { join } from 'node:path'
import { REPOSITORY_ROOT } from '@reference/cli'
import { overloadPage } from '../overload/page.ts'
import { baselineCharts } from './baseline-charts.ts'
import { readmeExcerpt } from './readme-excerpt.ts'
import { writeFile } from './results-file.ts'

for (const [path, svg] of baselineCharts()) writeFile(join(REPOSITORY_ROOT, path), svg)
for (const [path, text] of [...overloadPage(), ...readmeExcerpt()])
  writeFile(join(REPOSITORY_ROOT, path), text)
