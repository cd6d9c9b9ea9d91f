import { spawnSync } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'

const checks = {
  types: ['tsc', '--noEmit'],
  lint: ['biome', 'check', '--error-on-warnings', '.'],
  generated: ['node', 'tools/generate/main.ts', '--check'],
}
type Name = keyof typeof checks
const names = Object.keys(checks) as Name[]

const help = `pnpm check [${names.join('|')} …]

Everything that can be checked without running a server; all of it unless named.

  types       TypeScript, strict
  lint        Biome: lint rules and format (pnpm format mends what can be mended)
  generated   .env.example, the tables of README.md and the dashboards are current (pnpm generate)

Exit code 0, or 1 when a check fails, 64 for wrong arguments.
`

const root = fileURLToPath(new URL('..', import.meta.url))

function run(name: Name): boolean {
  const [command = '', ...args] = checks[name]
  const { status } = spawnSync(command, args, { cwd: root, stdio: 'inherit' })
  process.stdout.write(`${status === 0 ? 'ok  ' : 'FAIL'} ${name}\n`)
  return status === 0
}

function wanted(): Name[] | 'help' {
  const { values, positionals } = parseArgs({
    args: process.argv.slice(2).filter((argument) => argument !== '--'),
    options: { help: { type: 'boolean', short: 'h' } },
    allowPositionals: true,
  })
  if (values.help) return 'help'
  const unknown = positionals.filter((name) => !(name in checks))
  if (unknown.length > 0) throw new TypeError(`There is no check '${unknown.join("', '")}'.`)
  return positionals.length > 0 ? (positionals as Name[]) : names
}

try {
  const chosen = wanted()
  if (chosen === 'help') process.stdout.write(help)
  else process.exitCode = chosen.map(run).every(Boolean) ? 0 : 1
} catch (error) {
  process.stderr.write(`${error instanceof Error ? error.message : error}\n\n${help}`)
  process.exitCode = 64
}
