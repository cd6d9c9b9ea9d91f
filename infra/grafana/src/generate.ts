import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { dashboards } from './dashboards.ts'
import { build } from './panel.ts'

const help = `pnpm dashboards:generate [--check]

Writes infra/grafana/dashboards from infra/grafana/src. With --check it writes nothing: exit code 1 when a file is not what
would be written.
`

const folder = fileURLToPath(new URL('../dashboards/', import.meta.url))
const { values } = parseArgs({
  options: { check: { type: 'boolean' }, help: { type: 'boolean', short: 'h' } },
})

function read(name: string): string | undefined {
  try {
    return readFileSync(`${folder}${name}`, 'utf8')
  } catch {
    return undefined
  }
}

if (values.help) process.stdout.write(help)
else {
  const files = new Map(dashboards.map((of) => [`${of.uid}.json`, `${JSON.stringify(build(of), null, 2)}\n`]))
  const stale = [...files].filter(([name, text]) => read(name) !== text).map(([name]) => name)
  mkdirSync(folder, { recursive: true })
  const left = readdirSync(folder).filter((name) => name.endsWith('.json') && !files.has(name))
  if (values.check) {
    for (const name of [...stale, ...left]) {
      process.stderr.write(`infra/grafana/dashboards/${name} is not current: pnpm dashboards:generate\n`)
    }
    process.exitCode = stale.length + left.length > 0 ? 1 : 0
  } else for (const name of stale) writeFileSync(`${folder}${name}`, files.get(name) ?? '')
}
