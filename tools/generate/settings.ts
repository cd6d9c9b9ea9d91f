import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { REPOSITORY_ROOT } from '@reference/cli'
import { environmentExample, settingTable, tuningTable } from '@reference/config'
import { SERVICES } from '@reference/shop/services'
import type { GeneratedFiles } from './generated-files.ts'

const ALL = Object.values(SERVICES)

/** `.env.example`, and README.md with its tables of settings. */
export function settingsFiles(): GeneratedFiles {
  const readme = readFileSync(join(REPOSITORY_ROOT, 'README.md'), 'utf8')
  return new Map([
    ['.env.example', environmentExample(ALL)],
    [
      'README.md',
      replaceBetween(replaceBetween(readme, 'tunings', tuningTable(ALL)), 'settings', settingTable(ALL)),
    ],
  ])
}

/** Replaces the lines between `<!-- name:start -->` and `<!-- name:end -->`. */
function replaceBetween(text: string, name: string, content: string): string {
  const [start, end] = [`<!-- ${name}:start -->`, `<!-- ${name}:end -->`]
  const from = text.indexOf(start)
  const to = text.indexOf(end)
  if (from < 0 || to < from) throw new Error(`README.md has no ${start} … ${end}`)
  return `${text.slice(0, from + start.length)}\n${content}${text.slice(to)}`
}
