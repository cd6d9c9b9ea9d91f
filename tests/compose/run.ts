import { spawn, spawnSync } from 'node:child_process'
import { globSync } from 'node:fs'
import { delimiter, dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

const help = `pnpm test:compose [part of a file's name …]

Starts every server with its shipped file and asks it for each setting, brings the development stack up and down, and
checks the compose files. It needs Docker with compose and the images that docker-compose.yml names (what is missing of
MongoDB and Vault is skipped, and said). About six minutes on two cores.
`

const root = fileURLToPath(new URL('../../', import.meta.url))
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
  const files = globSync('tests/compose/*.test.ts', { cwd: root })
    .sort()
    .filter((file) => names.length === 0 || names.some((name) => file.includes(name)))
  if (fault !== undefined) {
    process.stderr.write(`${fault}\nThese tests need it; \`pnpm test\` does not.\n`)
    process.exitCode = 69
  } else if (files.length === 0) {
    process.stderr.write(`No file of tests/compose matches ${names.join(' ')}\n\n${help}`)
    process.exitCode = 64
  } else {
    // One after the other: two stacks at once would be measured against each other's load.
    const args = ['run', '--disable-coverage', '--jobs=1', '--timeout=300', '--reporter=tap', ...files]
    const tap = spawn(join(root, 'node_modules', '.bin', 'tap'), args, {
      cwd: root,
      stdio: 'inherit',
      env: { ...process.env, PATH: `${dirname(process.execPath)}${delimiter}${process.env.PATH ?? ''}` },
    })
    for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => tap.kill(signal))
    tap.once('close', (code) => {
      process.exitCode = code ?? 1
    })
  }
}
