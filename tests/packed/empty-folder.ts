import { execFile } from 'node:child_process'
import { mkdtempSync, readdirSync, readFileSync, realpathSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { REPOSITORY_ROOT } from '@reference/cli'
import type { TestScope } from '@reference/local-stack'

const execute = promisify(execFile)
const TIMEOUT_MS = 240_000
/** tap adds its loader to NODE_OPTIONS of every child process; with it, the compiler does not start. */
const WITHOUT_TAP = ['-u', 'NODE_OPTIONS']

/** What a command of the folder printed, and how it ended. */
export interface Outcome {
  readonly code: number
  readonly output: string
}

/** A folder outside of the repository with packages that npm has installed. */
export interface EmptyFolder {
  readonly path: string
  /** @param env in addition to the environment of the test, without that of pnpm */
  run(program: string, args: readonly string[], env?: Record<string, string>): Promise<Outcome>
  write(file: string, text: string): void
  /** Names under `node_modules`, those of a scope too. */
  packages(scope?: string): string[]
}

/** `pnpm pack` of the cache. @returns the path of the tarball */
export async function packCache(t: TestScope): Promise<string> {
  const folder = temporaryFolder(t)
  const tarball = join(folder, 'cache.tgz')
  const pack = ['npx', '-y', packageManager(), '--filter', '@reference/cache', 'pack', '--out', tarball]
  await execute('env', [...WITHOUT_TAP, ...pack], { cwd: REPOSITORY_ROOT, timeout: TIMEOUT_MS })
  return tarball
}

/**
 * Makes a folder and installs packages with npm.
 *
 * @returns undefined when the registry cannot be reached
 */
export async function installInto(
  t: TestScope,
  packages: readonly string[],
): Promise<EmptyFolder | undefined> {
  const path = temporaryFolder(t)
  const run = async (
    program: string,
    args: readonly string[],
    env: Record<string, string> = {},
  ): Promise<Outcome> => {
    const options = { cwd: path, timeout: TIMEOUT_MS, env: { ...plainEnvironment(), ...env } }
    try {
      const { stdout, stderr } = await execute('env', [...WITHOUT_TAP, program, ...args], options)
      return { code: 0, output: stdout + stderr }
    } catch (error) {
      const { code, stdout = '', stderr = '' } = error as { code?: unknown; stdout?: string; stderr?: string }
      return { code: typeof code === 'number' ? code : 1, output: `${stdout}${stderr}${error}` }
    }
  }
  const write = (file: string, text: string) => writeFileSync(join(path, file), text)
  write('package.json', '{ "private": true, "type": "module" }\n')
  const installed = await run('npm', ['install', '--no-audit', '--no-fund', '--prefer-offline', ...packages])
  if (/\b(ENOTFOUND|EAI_AGAIN|ECONNREFUSED|ETIMEDOUT|ENETUNREACH)\b/.test(installed.output)) return undefined
  if (installed.code !== 0) throw new Error(installed.output)
  return {
    path,
    run,
    write,
    packages: (scope = '') => readdirSync(join(path, 'node_modules', scope)),
  }
}

function temporaryFolder(t: TestScope): string {
  const path = realpathSync(mkdtempSync(join(tmpdir(), 'packed-')))
  t.teardown(() => rmSync(path, { recursive: true, force: true }))
  return path
}

const packageManager = () =>
  String(JSON.parse(readFileSync(join(REPOSITORY_ROOT, 'package.json'), 'utf8')).packageManager)

/** Without the settings of pnpm, which npm would take for its own. The registry is the same. */
function plainEnvironment(): NodeJS.ProcessEnv {
  return Object.fromEntries(
    Object.entries(process.env).filter(([name]) => !/^p?npm_(?!config_registry$)/i.test(name)),
  )
}
