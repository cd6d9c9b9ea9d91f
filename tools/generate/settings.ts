import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { REPOSITORY_ROOT } from '@reference/cli'
import { environmentExample, settingTable, tuningTable } from '@reference/config'
import { SERVICES } from '@reference/shop/services'
import { withFigures } from './figures.ts'
import type { GeneratedFiles } from './generated-files.ts'
import { replaceBetween } from './replace-between.ts'

const ALL = Object.values(SERVICES)

/** `.env.example`, and README.md with its tables of settings and its figures. */
export function settingsFiles(): GeneratedFiles {
  const readme = withFigures(readFileSync(join(REPOSITORY_ROOT, 'README.md'), 'utf8'))
  return new Map([
    ['.env.example', environmentExample(ALL)],
    [
      'README.md',
      replaceBetween(replaceBetween(readme, 'tunings', tuningTable(ALL)), 'settings', settingTable(ALL)),
    ],
  ])
}
