import { existsSync, globSync, statSync } from 'node:fs'
import { availableParallelism } from 'node:os'
import { relative, resolve } from 'node:path'
import { EXIT_CODES, UsageError } from '@reference/cli'
import { root, runTap } from './tap.ts'
import { isDockerTest, withTestServers } from './test-servers.ts'
import { watchTests } from './watch.ts'

const HELP = `pnpm test [file, folder or part of a path …] [--option=of-tap …]

Run all tests that need no Docker engine, or those of some files or folders, on a temporary Postgres and Redis. One Postgres and one
Redis serve all tests, with a migrated and seeded template database. The files are those of packages, services, bench, tests and
tools, run by tap. The last line is "N passed, N failed" and counts the tests at the top level of
a file, not assertions. Skipped tests are listed above it with their reasons.

  pnpm test                      all
  pnpm test packages/cache       a folder
  pnpm test lease                files whose path contains "lease"
  pnpm test lease --grep=/stale/ tests by name
  pnpm test lease --watch        again after each change of a source, on servers that stay up; without a name those
                                 of each package that changes. A changed test file is run alone

Tests that need a Docker engine have commands of their own:

  pnpm test:compose              the compose files of development
  pnpm test:prod                 production
  pnpm test:observability        dashboards, rules and alerts
`

/** Time limit of a file. The slowest ones take three minutes on two busy cores; a hang must not block the run. */
const FILE_TIMEOUT_SECONDS = 600

function findFiles(names: readonly string[]): string[] {
  const all = globSync('{packages,services,bench,tests,tools}/**/*.test.ts', {
    cwd: root,
    // These folders have commands of their own, which start what the tests need.
    exclude: (path) => /(^|\/)(node_modules|results)$|^tests\/(prod|compose)$/.test(path),
  })
    .filter((path) => !isDockerTest(path))
    .sort()
  if (names.length === 0) return all
  const chosen = new Set<string>()
  for (const name of names) {
    const path = relative(root, resolve(name))
    const isPath = existsSync(name) && !path.startsWith('..')
    const found = all.filter((file) => {
      if (!isPath) return file.includes(name)
      return statSync(name).isDirectory() ? path === '' || file.startsWith(`${path}/`) : file === path
    })
    if (found.length === 0) {
      const elsewhere = isDockerTest(path) ? '; tests that need a Docker engine run in pnpm test:compose' : ''
      throw new UsageError(`No test file matches ${name}${elsewhere}`)
    }
    for (const file of found) chosen.add(file)
  }
  return [...chosen].sort()
}

/** Options of tap that this command cannot pass on, and why. */
const UNSUPPORTED_OPTIONS: Readonly<Record<string, string>> = {
  '--reporter': 'the results are counted from the output of the reporter `tap`',
  '--output-file': 'the results are counted from standard output',
}

function checkOptions(options: string[]): string[] {
  for (const option of options) {
    const [name = ''] = option.replace(/^-R.*/, '--reporter').split('=')
    const reason = UNSUPPORTED_OPTIONS[name]
    if (reason !== undefined) throw new UsageError(`No option ${name}: ${reason}`)
  }
  return options
}

async function main(args: readonly string[]): Promise<number> {
  const given = args.filter((argument) => argument !== '--')
  if (given.includes('--help') || given.includes('-h')) {
    process.stdout.write(HELP)
    return 0
  }
  const names = given.filter((argument) => !argument.startsWith('-'))
  const files = findFiles(names)
  const isWatch = (argument: string) => argument === '--watch' || argument === '-w'
  const flags = given.filter((argument) => argument.startsWith('-'))
  const options = checkOptions(flags.filter((flag) => !isWatch(flag)))
  return withTestServers((env, renewTemplate) => {
    const run = (chosen: readonly string[]) =>
      runTap(chosen, {
        jobs: Math.min(4, availableParallelism()),
        timeoutSeconds: FILE_TIMEOUT_SECONDS,
        options,
        env,
      })
    if (!flags.some(isWatch)) return run(files)
    return watchTests({
      named: names.length > 0 ? files : [],
      all: () => findFiles([]),
      run,
      renewTemplate,
      say: (line) => process.stdout.write(`${line}\n`),
    })
  })
}

try {
  process.exitCode = await main(process.argv.slice(2))
} catch (error) {
  process.stderr.write(
    error instanceof UsageError ? `${error.message}\n\n${HELP}` : `${(error as Error).stack}\n`,
  )
  process.exitCode = error instanceof UsageError ? EXIT_CODES.USAGE : EXIT_CODES.FAILED
}
