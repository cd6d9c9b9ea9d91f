import { spawnSync } from 'node:child_process'
import { action, EXIT_CODES, REPOSITORY_ROOT, runCommand, UsageError } from '@reference/cli'
import { importFaults } from './imports.ts'
import { packageFaults } from './packages.ts'
import { proseFaults } from './prose.ts'

/** A command line, or a function that returns one line for each fault. */
type Check = readonly [command: string, ...args: string[]] | (() => string[])

const CHECKS: Readonly<Record<string, Check>> = {
  types: ['tsc', '--noEmit'],
  lint: ['biome', 'check', '--error-on-warnings', '.'],
  generated: ['node', 'tools/generate/main.ts', '--check'],
  imports: importFaults,
  packages: packageFaults,
  prose: proseFaults,
}
const NAMES = Object.keys(CHECKS)
/** The repository does not pass the other ones yet. */
const DEFAULT = ['types', 'lint', 'generated']

await runCommand(
  'pnpm check',
  action({
    summary: 'Check everything that can be checked without running a server.',
    positionals: { placeholder: `${NAMES.join('|')} …`, help: `${DEFAULT.join(', ')} unless given` },
    details: `types      TypeScript, strict
lint       Biome: lint rules, length and complexity of functions, format (pnpm format applies safe fixes)
generated  generated files are current (pnpm generate writes them)
imports    imports point one way between packages, stay within exports, and form no cycle, type imports included
packages   every package has a README
prose      comments, documents and messages contain none of the phrases of tools/check/prose.ts

Exit code 0, 1 when a check fails, 64 for wrong arguments.`,
    run(_, names) {
      const unknown = names.filter((name) => !Object.hasOwn(CHECKS, name))
      if (unknown.length > 0) throw new UsageError(`There is no check '${unknown.join("', '")}'`)
      const chosen = names.length > 0 ? names : DEFAULT
      return chosen.map(passes).every(Boolean) ? EXIT_CODES.OK : EXIT_CODES.FAILED
    },
  }),
)

function passes(name: string): boolean {
  const check = CHECKS[name] ?? (() => [])
  const startedAt = performance.now()
  const passed = typeof check === 'function' ? report(check()) : succeeds(check)
  const seconds = ((performance.now() - startedAt) / 1000).toFixed(1)
  process.stdout.write(`${passed ? 'ok  ' : 'FAIL'} ${name.padEnd(10)} ${seconds} s\n`)
  return passed
}

function report(faults: readonly string[]): boolean {
  for (const fault of faults) process.stdout.write(`${fault}\n`)
  return faults.length === 0
}

function succeeds([command, ...args]: readonly [string, ...string[]]): boolean {
  return spawnSync(command, args, { cwd: REPOSITORY_ROOT, stdio: 'inherit' }).status === 0
}
