import { existsSync, globSync, statSync } from 'node:fs'
import { availableParallelism } from 'node:os'
import { relative, resolve } from 'node:path'
import { root, runTap } from './tap.ts'
import { isDockerTest, withTestServers } from './test-servers.ts'

const help = `pnpm test [file, folder or part of a path …] [--option=of-tap …]

Starts a Postgres and a Redis for all tests, makes a migrated and seeded template database, and runs tap over
packages, services, bench, tests and tools. The last line is "N passed, N failed" and counts tests (what stands at the top of
a file), not assertions; above it stands what was skipped, and why. Tests that need a Docker engine are not here: pnpm
test:compose, pnpm test:prod and pnpm test:observability run them.

  pnpm test                      all
  pnpm test packages/cache       a folder
  pnpm test lease                files with that in their path
  pnpm test lease --grep=/stale/ tests by name
`

// A file, not a test: the slowest (a cluster that fails over) takes seconds, a hang must not take the run with it.
const fileTimeoutSeconds = 300

const findFiles = (names: string[]): string[] => {
  const all = globSync('{packages,services,bench,tests,tools}/**/*.test.ts', {
    cwd: root,
    // Those of tests/prod need what `pnpm test:prod` starts.
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
      const elsewhere = isDockerTest(path) ? '; those that need a Docker engine run in pnpm test:compose' : ''
      throw new UsageError(`No test file matches ${name}${elsewhere}`)
    }
    for (const file of found) chosen.add(file)
  }
  return [...chosen].sort()
}

class UsageError extends Error {}

/** Options of tap that this command cannot pass on, and why. */
const unsupportedOptions: Readonly<Record<string, string>> = {
  '--watch': 'the servers of a run end with it; repeat the command with the file that you work on',
  '--reporter': 'the results are counted from the output of the reporter `tap`',
  '--output-file': 'the results are counted from standard output',
}

const checkOptions = (options: string[]): string[] => {
  for (const option of options) {
    const [name = ''] = option.replace(/^-w$/, '--watch').replace(/^-R.*/, '--reporter').split('=')
    const reason = unsupportedOptions[name]
    if (reason !== undefined) throw new UsageError(`No option ${name}: ${reason}`)
  }
  return options
}

const main = async (args: string[]): Promise<number> => {
  const given = args.filter((argument) => argument !== '--')
  if (given.includes('--help') || given.includes('-h')) {
    process.stdout.write(help)
    return 0
  }
  const files = findFiles(given.filter((argument) => !argument.startsWith('-')))
  const options = checkOptions(given.filter((argument) => argument.startsWith('-')))
  return withTestServers((env) =>
    runTap(files, {
      jobs: Math.min(4, availableParallelism()),
      timeoutSeconds: fileTimeoutSeconds,
      options,
      env,
    }),
  )
}

try {
  process.exitCode = await main(process.argv.slice(2))
} catch (error) {
  process.stderr.write(
    error instanceof UsageError ? `${error.message}\n\n${help}` : `${(error as Error).stack}\n`,
  )
  process.exitCode = error instanceof UsageError ? 64 : 1
}
