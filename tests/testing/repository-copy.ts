import { execFile, execFileSync } from 'node:child_process'
import { cpSync, existsSync, globSync, mkdirSync, readdirSync, readFileSync, symlinkSync } from 'node:fs'
import { delimiter, dirname, join } from 'node:path'
import { promisify } from 'node:util'
import { REPOSITORY_ROOT } from '@reference/cli'

const execute = promisify(execFile)

export interface RepositoryCopy {
  readonly folder: string
  /** Runs a program of the copy; resolves with its exit code and what it printed, also when it fails. */
  run(program: string, args: readonly string[]): Promise<{ code: number; output: string }>
  /** Runs the command that a script of the root's package.json has, with more arguments. */
  script(name: string, ...args: string[]): Promise<{ code: number; output: string }>
}

/**
 * Copies the files of this repository that are tracked, or new and not ignored, into an empty folder, and links to their
 * dependencies. Packages of the workspace refer to each other by relative links, so the copy uses its own.
 */
export function copyRepository(folder: string): RepositoryCopy {
  for (const file of repositoryFiles()) {
    mkdirSync(dirname(join(folder, file)), { recursive: true })
    cpSync(join(REPOSITORY_ROOT, file), join(folder, file))
  }
  linkDependencies(folder)
  return programsOf(folder)
}

/** Runs the programs of a copy. */
export function programsOf(folder: string): RepositoryCopy {
  const run = async (program: string, args: readonly string[]) => {
    // tap adds its loader to NODE_OPTIONS of every child process; with it, the compiler does not start.
    const { stdout, stderr, code } = await execute('env', ['-u', 'NODE_OPTIONS', program, ...args], {
      cwd: folder,
      env: environment(folder),
      maxBuffer: 64 * 1024 * 1024,
    })
      .then((output) => ({ ...output, code: 0 }))
      .catch((error: { stdout: string; stderr: string; code: number }) => error)
    return { code, output: stdout + stderr }
  }
  return {
    folder,
    run,
    script: (name, ...args) => {
      const { scripts } = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8'))
      return run('sh', ['-c', `${scripts[name]} "$@"`, name, ...args])
    },
  }
}

/** Links the installed packages of this repository into a copy of its files. */
export function linkDependencies(folder: string): void {
  mkdirSync(join(folder, 'node_modules'))
  for (const name of readdirSync(join(REPOSITORY_ROOT, 'node_modules'))) {
    // The copy has its own packages and its own caches.
    if (['@reference', '.cache'].includes(name)) continue
    symlinkSync(join(REPOSITORY_ROOT, 'node_modules', name), join(folder, 'node_modules', name))
  }
  const workspaceLinks = [
    'node_modules/@reference',
    ...globSync('{*,packages/*,services/*}/node_modules', GLOB),
  ]
  for (const path of workspaceLinks) {
    if (!existsSync(join(REPOSITORY_ROOT, path)) || !existsSync(join(folder, dirname(path)))) continue
    cpSync(join(REPOSITORY_ROOT, path), join(folder, path), { recursive: true, verbatimSymlinks: true })
  }
}

const GLOB = { cwd: REPOSITORY_ROOT } as const

function repositoryFiles(): string[] {
  const arguments_ = ['ls-files', '-z', '--cached', '--others', '--exclude-standard']
  const files = execFileSync('git', arguments_, { cwd: REPOSITORY_ROOT, encoding: 'utf8' })
  return files.split('\0').filter((file) => file !== '' && existsSync(join(REPOSITORY_ROOT, file)))
}

/** Without the variables of the test run around it. */
function environment(folder: string): NodeJS.ProcessEnv {
  const own = Object.entries(process.env).filter(([name]) => !/^_?TAP|^TEST/.test(name))
  const programs = [join(folder, 'node_modules', '.bin'), process.env.PATH].join(delimiter)
  return { ...Object.fromEntries(own), PATH: programs }
}
