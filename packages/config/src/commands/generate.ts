import { readFileSync, writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { environmentExample, settingTable, tuningTable } from '../documents.ts'

const help = `pnpm config:generate [--check]

Writes what is made from the settings table: .env.example, and the tables between the
"settings" markers of README.md.

  --check   write nothing; exit 1 when a file is not current
`

const root = new URL('../../../../', import.meta.url)
const { values } = parseArgs({
  options: { check: { type: 'boolean' }, help: { type: 'boolean', short: 'h' } },
})
if (values.help) {
  process.stdout.write(help)
} else {
  const stale = [
    update('.env.example', () => environmentExample()),
    update('README.md', (text) =>
      between(between(text, 'tunings', tuningTable()), 'settings', settingTable()),
    ),
  ].filter((name) => name !== undefined)
  if (values.check && stale.length > 0) {
    process.stderr.write(`not current: ${stale.join(', ')}; run pnpm config:generate\n`)
    process.exitCode = 1
  }
}

function update(name: string, make: (text: string) => string): string | undefined {
  const file = fileURLToPath(new URL(name, root))
  const text = readOrEmpty(file)
  const made = make(text)
  if (made === text) return undefined
  if (!values.check) writeFileSync(file, made)
  return name
}

function readOrEmpty(file: string): string {
  try {
    return readFileSync(file, 'utf8')
  } catch {
    return ''
  }
}

/** Replaces what stands between `<!-- name:start -->` and `<!-- name:end -->`. */
function between(text: string, name: string, content: string): string {
  const [start, end] = [`<!-- ${name}:start -->`, `<!-- ${name}:end -->`]
  const from = text.indexOf(start)
  const to = text.indexOf(end)
  if (from < 0 || to < from) throw new Error(`README.md has no ${start} … ${end}`)
  return `${text.slice(0, from + start.length)}\n${content}${text.slice(to)}`
}
