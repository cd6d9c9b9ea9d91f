import { globSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { hasLimits, sizedFiles, sizeOf, withLimits, withValues } from '../size-files.ts'
import { machines, memoryOf, type Size, sizes } from '../sizing.ts'

const help = `pnpm infra:size <${sizes.join(' | ')}>
pnpm infra:size --check

Writes the limits of all containers and the settings of all engines for a machine of that size:
${sizes.map((size) => `  ${size.padEnd(8)}${machines[size].memory / 1024} GiB, ${machines[size].cpus} CPUs`).join('\n')}

  --check   writes nothing; fails when a file differs from what the size in docker-compose.yml gives
  --help

The rule is infra/sizing.ts. Values are replaced in their lines, comments stay. Afterwards: docker compose up -d.
Exit code 0, or 1 when a file differs or could not be written, 64 for wrong arguments.
`

const root = fileURLToPath(new URL('../../', import.meta.url))
const read = (path: string) => readFileSync(join(root, path), 'utf8')

function composeFiles(): string[] {
  return globSync('{docker-compose*.yml,infra/*/compose*.yml}', { cwd: root })
    .filter((path) => hasLimits(read(path)))
    .sort()
}

/** Path and text of each file as it should be. */
function wanted(size: Size): [path: string, text: string][] {
  return [
    ...sizedFiles(size).map((file): [string, string] => [file.path, withValues(read(file.path), file)]),
    ...composeFiles().map((path): [string, string] => [path, withLimits(read(path), path, size)]),
  ]
}

const isSize = (name: string | undefined): name is Size => sizes.some((size) => size === name)

function usage(message: string): never {
  process.stderr.write(`${message}\n\n${help}`)
  process.exit(64)
}

function readArguments() {
  try {
    return parseArgs({
      args: process.argv.slice(2).filter((argument) => argument !== '--'),
      options: { check: { type: 'boolean' }, help: { type: 'boolean', short: 'h' } },
      allowPositionals: true,
    })
  } catch (error) {
    return usage(error instanceof Error ? error.message : String(error))
  }
}

const { values, positionals } = readArguments()
if (values.help) {
  process.stdout.write(help)
} else {
  const [name = values.check ? sizeOf(read('docker-compose.yml')) : undefined, ...more] = positionals
  if (!isSize(name) || more.length > 0) usage(`Which size? '${positionals.join(' ')}' is none.`)
  const changed = wanted(name).filter(([path, text]) => text !== read(path))
  for (const [path, text] of changed) {
    if (!values.check) writeFileSync(join(root, path), text)
    process.stdout.write(`${values.check ? 'differs' : 'written'}  ${path}\n`)
  }
  if (values.check && changed.length > 0) process.exitCode = 1
  const { memory } = machines[name]
  process.stdout.write(
    `${name}: containers take at most ${memoryOf('development', name)} MiB in development, ` +
      `${memoryOf('production', name)} MiB in production, of ${memory} MiB.\n`,
  )
}
