import { spawn } from 'node:child_process'
import { join } from 'node:path'
import { action, EXIT_CODES, REPOSITORY_ROOT, runCommand, UsageError } from '@reference/cli'
import { apiFaults } from './api.ts'
import { importFaults } from './imports.ts'
import { nameFaults } from './names.ts'
import { packageFaults } from './packages.ts'
import { proseFaults } from './prose.ts'
import { unusedFaults } from './unused.ts'

/** A command line, or a function that returns one line for each fault. */
type Check = readonly [command: string, ...args: string[]] | (() => string[] | Promise<string[]>)

interface Outcome {
  readonly passed: boolean
  readonly output: string
}

/** What a run keeps for the next one. Without it the result is the same. */
const CACHE = join('node_modules', '.cache')

const CHECKS: Readonly<Record<string, Check>> = {
  // Without a change since the run before: 3 s of CPU time instead of 22.
  types: ['tsc', '--noEmit', '--incremental', '--tsBuildInfoFile', join(CACHE, 'types.tsbuildinfo')],
  lint: ['biome', 'check', '--error-on-warnings', '.'],
  generated: ['node', 'tools/generate/main.ts', '--check'],
  imports: importFaults,
  names: nameFaults,
  packages: packageFaults,
  prose: proseFaults,
  unused: unusedFaults,
  api: () => apiFaults(),
}
const NAMES = Object.keys(CHECKS)

await runCommand(
  'pnpm check',
  action({
    summary: 'Check everything that can be checked without running a server.',
    positionals: { placeholder: `${NAMES.join('|')} …`, help: 'all of them unless given' },
    details: `types      TypeScript, strict
lint       Biome: lint rules, length and complexity of functions, format (pnpm format applies safe fixes)
generated  generated files are current (pnpm generate writes them)
imports    imports point one way between packages, stay within exports, and form no cycle, type imports included
names      no file names a service, a file, a script or an optional part that does not exist (pnpm template remove)
packages   every package has a README
prose      comments, documents and messages contain none of the phrases of tools/check/prose.ts
unused     no unused export, file or dependency (knip, configured in knip.json)
api        no change of services/*/openapi.json breaks clients of the base branch, or of the commit API_BASE

The checks run side by side. Exit code 0, 1 when a check fails, 64 for wrong arguments.`,
    async run(_, names) {
      const unknown = names.filter((name) => !Object.hasOwn(CHECKS, name))
      if (unknown.length > 0) throw new UsageError(`There is no check '${unknown.join("', '")}'`)
      const chosen = names.length > 0 ? names : NAMES
      const passed = await Promise.all(chosen.map(passes))
      return passed.every(Boolean) ? EXIT_CODES.OK : EXIT_CODES.FAILED
    },
  }),
)

async function passes(name: string): Promise<boolean> {
  const startedAt = performance.now()
  const { passed, output } = await outcomeOf(CHECKS[name] ?? (() => []))
  const seconds = ((performance.now() - startedAt) / 1000).toFixed(1)
  process.stdout.write(`${output}${passed ? 'ok  ' : 'FAIL'} ${name.padEnd(10)} ${seconds} s\n`)
  return passed
}

async function outcomeOf(check: Check): Promise<Outcome> {
  if (typeof check !== 'function') return runTool(check)
  const faults = await check()
  return { passed: faults.length === 0, output: faults.map((fault) => `${fault}\n`).join('') }
}

/** The output is kept until the end, so that the lines of two checks do not mix. */
function runTool([command, ...args]: readonly [string, ...string[]]): Promise<Outcome> {
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, { cwd: REPOSITORY_ROOT, env: toolEnvironment() })
    let output = ''
    const keep = (chunk: string) => {
      output += chunk
    }
    child.stdout.setEncoding('utf8').on('data', keep)
    child.stderr.setEncoding('utf8').on('data', keep)
    child.once('error', reject)
    child.once('close', (code) => resolve({ passed: code === 0, output }))
  })
}

/** The tools of this repository, also where the check was not started by pnpm. Colours as on the terminal. */
function toolEnvironment(): NodeJS.ProcessEnv {
  const path = `${join(REPOSITORY_ROOT, 'node_modules', '.bin')}:${process.env.PATH}`
  const compileCache = join(REPOSITORY_ROOT, CACHE, 'node')
  return {
    NODE_COMPILE_CACHE: compileCache,
    ...process.env,
    PATH: path,
    ...(process.stdout.isTTY && { FORCE_COLOR: '1' }),
  }
}
