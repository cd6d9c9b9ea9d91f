import { globSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { action, EXIT_CODES, flag, REPOSITORY_ROOT, UsageError } from '@reference/cli'
import { hasLimits, sizedFiles, sizeOf, withLimits, withValues } from '@reference/infra/size-files'
import { MACHINES, memoryOf, SIZES, type Size } from '@reference/infra/sizing'

const MACHINE_LINES = SIZES.map((size) => {
  const { memory, cpus } = MACHINES[size]
  return `  ${size.padEnd(8)}${memory / 1024} GiB, ${cpus} CPUs`
})

/** `pnpm infra size`. */
export const sizeCommand = action({
  summary: 'Write container limits and engine settings for a machine of a given size.',
  positionals: { placeholder: SIZES.join('|'), help: 'the machine', maximum: 1 },
  options: {
    check: flag({ help: 'write nothing; fail when a file differs from the size in docker-compose.yml' }),
  },
  details: `${MACHINE_LINES.join('\n')}

The rule is infra/sizing.ts. Values are replaced in their lines; comments stay. Afterwards: docker compose up -d.
Exit code 0, 1 when a file differs, 64 for wrong arguments.`,
  run({ check }, [name = check ? sizeOf(read('docker-compose.yml')) : undefined]) {
    const size = SIZES.find((each) => each === name)
    if (size === undefined)
      throw new UsageError(`The size is one of ${SIZES.join(', ')}, not '${name ?? ''}'`)
    const changed = sizedTexts(size).filter(([path, text]) => text !== read(path))
    for (const [path, text] of changed) {
      if (!check) writeFileSync(join(REPOSITORY_ROOT, path), text)
      process.stdout.write(`${check ? 'differs' : 'written'}  ${path}\n`)
    }
    process.stdout.write(
      `${size}: containers take at most ${memoryOf('development', size)} MiB in development, ` +
        `${memoryOf('production', size)} MiB in production, of ${MACHINES[size].memory} MiB.\n`,
    )
    return check && changed.length > 0 ? EXIT_CODES.FAILED : EXIT_CODES.OK
  },
})

/** Path and text of each file as the size gives it. */
function sizedTexts(size: Size): [path: string, text: string][] {
  return [
    ...sizedFiles(size).map((file): [string, string] => [file.path, withValues(read(file.path), file)]),
    ...composeFiles().map((path): [string, string] => [path, withLimits(read(path), path, size)]),
  ]
}

function composeFiles(): string[] {
  return globSync('{docker-compose*.yml,infra/*/compose*.yml}', { cwd: REPOSITORY_ROOT })
    .filter((path) => hasLimits(read(path)))
    .sort()
}

function read(path: string): string {
  return readFileSync(join(REPOSITORY_ROOT, path), 'utf8')
}
