import { spawnSync } from 'node:child_process'
import { globSync } from 'node:fs'
import { action, CommandError, EXIT_CODES, runCommand, UsageError } from '@reference/cli'
import { root, runTap } from '../tap.ts'
import { isDockerTest, withTestServers } from '../test-servers.ts'

const DETAILS = `
Starts every server with its shipped file and reads each setting back, starts and stops the development stack, and checks the
compose files. Then runs the tests of other folders that need containers (*.docker.test.ts). Needs Docker with compose and the
images of docker-compose.yml; without the image of an optional system, its tests are skipped and reported. Takes about eight
minutes on two cores. The last line is "N passed, N failed".
`

await runCommand(
  'pnpm test:compose',
  action({
    summary: 'Run the tests that need Docker, or those of some files.',
    positionals: { placeholder: 'PART…', help: 'parts of file names' },
    details: DETAILS,
    run(_, names) {
      requireDocker()
      const files = testFiles(names)
      if (files.length === 0) {
        throw new UsageError(`No file of tests/compose and no *.docker.test.ts matches ${names.join(' ')}`)
      }
      // One after the other: two stacks at once would be measured against each other's load.
      const run = (env: NodeJS.ProcessEnv = {}) => runTap(files, { jobs: 1, timeoutSeconds: 300, env })
      return files.some(isDockerTest) ? withTestServers(run) : run()
    },
  }),
)

function requireDocker(): void {
  const docker = (...args: string[]) => spawnSync('docker', args, { encoding: 'utf8' })
  const refuse = (fault: string): never => {
    throw new CommandError(`${fault}\nThese tests need it; \`pnpm test\` does not.`, {
      exitCode: EXIT_CODES.UNAVAILABLE,
    })
  }
  const engine = docker('version', '--format', '{{.Server.Version}}')
  if (engine.error) refuse('Docker is not installed: there is no program `docker`.')
  if (engine.status !== 0) refuse(`No Docker engine answers: ${engine.stderr.trim()}`)
  if (docker('compose', 'version').status !== 0) {
    refuse('Docker has no `compose` (the plugin, version 2.24 or newer).')
  }
}

function testFiles(names: readonly string[]): string[] {
  return ['tests/compose/*.test.ts', '{packages,services,bench,tests,tools}/**/*.docker.test.ts']
    .flatMap((pattern) =>
      globSync(pattern, { cwd: root, exclude: (path) => /(^|\/)node_modules$/.test(path) }).sort(),
    )
    .filter((file) => names.length === 0 || names.some((name) => file.includes(name)))
}
