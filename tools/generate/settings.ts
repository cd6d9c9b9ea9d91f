import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { REPOSITORY_ROOT, replaceBetween } from '@reference/cli'
import { environmentExample, settingTable, tuningTable } from '@reference/config'
import { SERVICES } from '@reference/shop/services'
import type { GeneratedFiles } from './generated-files.ts'

const PAGE = 'docs/SETTINGS.md'
const ALL = Object.values(SERVICES)

/** `.env.example`, and docs/SETTINGS.md with its tables. */
export function settingsFiles(): GeneratedFiles {
  const page = replaceBetween(readFileSync(join(REPOSITORY_ROOT, PAGE), 'utf8'), 'tunings', tuningTable(ALL))
  return new Map([
    ['.env.example', environmentExample(ALL)],
    [PAGE, replaceBetween(page, 'settings', settingTable(ALL))],
  ])
}
