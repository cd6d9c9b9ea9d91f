import { spawnSync } from 'node:child_process'
import { globSync } from 'node:fs'
import { root, runTap } from '../tap.ts'
import { isDockerTest, withTestServers } from '../test-servers.ts'

const help = `pnpm test:compose [part of a file's name …]

Starts every server with its shipped file and asks it for each setting, brings the development stack up and down, and
checks the compose files; then runs the tests of other folders that need containers (*.docker.test.ts). It needs Docker with
compose and the images that docker-compose.yml names (what is missing of MongoDB and Vault is skipped, and said). About eight
minutes on two cores. The last line is "N passed, N failed".
`

const names = process.argv.slice(2).filter((argument) => argument !== '--')

function ready(): string | undefined {
  const docker = (...args: string[]) => spawnSync('docker', args, { encoding: 'utf8' })
  const engine = docker('version', '--format', '{{.Server.Version}}')
  if (engine.error) return 'Docker is not installed: there is no program `docker`.'
  if (engine.status !== 0) return `No Docker engine answers: ${engine.stderr.trim()}`
  if (docker('compose', 'version').status !== 0)
    return 'Docker has no `compose` (the plugin, version 2.24 or newer).'
  return undefined
}

if (names.includes('--help') || names.includes('-h')) {
  process.stdout.write(help)
} else {
  const fault = ready()
  const files = ['tests/compose/*.test.ts', '{packages,services,bench,tests,tools}/**/*.docker.test.ts']
    .flatMap((pattern) =>
      globSync(pattern, { cwd: root, exclude: (path) => /(^|\/)node_modules$/.test(path) }).sort(),
    )
    .filter((file) => names.length === 0 || names.some((name) => file.includes(name)))
  if (fault !== undefined) {
    process.stderr.write(`${fault}\nThese tests need it; \`pnpm test\` does not.\n`)
    process.exitCode = 69
  } else if (files.length === 0) {
    process.stderr.write(
      `No file of tests/compose and no *.docker.test.ts matches ${names.join(' ')}\n\n${help}`,
    )
    process.exitCode = 64
  } else {
    // One after the other: two stacks at once would be measured against each other's load.
    const run = (env: NodeJS.ProcessEnv = {}) => runTap(files, { jobs: 1, timeoutSeconds: 300, env })
    process.exitCode = files.some(isDockerTest) ? await withTestServers(run) : await run()
  }
}
