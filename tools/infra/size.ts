import { globSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { action, EXIT_CODES, flag, formatTable, REPOSITORY_ROOT, UsageError } from '@reference/cli'
import {
  hasLimits,
  reasonedFiles,
  sizedFiles,
  sizeOf,
  withLimits,
  withValues,
} from '@reference/infra/size-files'
import {
  container,
  hasRoom,
  MACHINES,
  type Machine,
  memoryOf,
  reservedOf,
  SIZES,
  type Size,
  SYSTEM_NAMES,
} from '@reference/infra/sizing'
import { machineOptions, parseMemory } from './machine.ts'

const MACHINE_LINES = SIZES.map((size) => {
  const { memory, cpus } = MACHINES[size]
  return `  ${size.padEnd(8)}${memory / 1024} GiB, ${cpus} CPUs`
})

/** `pnpm infra size` and `pnpm infra:size`. */
export const sizeCommand = action({
  summary: 'Print container limits and engine settings for any machine, or write those of a size.',
  positionals: { placeholder: `[${SIZES.join('|')}]`, help: 'writes the files for this machine', maximum: 1 },
  options: {
    ...machineOptions,
    check: flag({ help: 'write nothing; fail when a file differs from the size in docker-compose.yml' }),
    json: flag({ help: 'with --memory: for programs' }),
  },
  details: `${MACHINE_LINES.join('\n')}

A name writes the files of the repository: values are replaced in their lines; comments stay. Afterwards: docker compose up -d.
With --memory and --cpus, nothing is written: the command prints the value of each file and the rule that gives it.
--workload counts above 16 GiB. A machine below 8 GiB has room for Postgres, PgBouncer, one Redis, nginx and the APIs only.
The rule is infra/sizing.ts. Exit code 0, 1 when a file differs, 64 for wrong arguments.`,
  run(
    { check, json, memory, cpus, workload },
    [name = check ? sizeOf(read('docker-compose.yml')) : undefined],
  ) {
    if (memory !== undefined || cpus !== undefined) {
      if (name !== undefined || check) throw new UsageError('Give a size, or --memory and --cpus')
      return printPlan({ memory, cpus, workload }, json)
    }
    const size = SIZES.find((each) => each === name)
    if (size === undefined)
      throw new UsageError(`Give --memory and --cpus, or one of ${SIZES.join(', ')}; got '${name ?? ''}'`)
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

function printPlan(
  given: { memory: string | undefined; cpus: number | undefined; workload: Machine['workload'] },
  json: boolean,
): number {
  const { memory, cpus, workload } = given
  if (memory === undefined || cpus === undefined) throw new UsageError('Give both --memory and --cpus')
  const plan = planFor({ memory: parseMemory(memory), cpus, workload })
  process.stdout.write(json ? `${JSON.stringify(plan, null, 2)}\n` : formatPlan(plan))
  return EXIT_CODES.OK
}

/** What a machine gets: the values of each file with their reasons, and the limit of each container. */
function planFor(machine: Machine) {
  const fitting = SYSTEM_NAMES.filter((system) => hasRoom(system, machine))
  return {
    machine: { memoryMiB: machine.memory, cpus: machine.cpus, workload: machine.workload },
    files: reasonedFiles(machine)
      .filter(({ system }) => hasRoom(system, machine))
      .map(({ path, system, settings }) => ({
        path,
        memoryMiB: container(system, machine).memory,
        cpus: container(system, machine).cpus,
        settings: Object.entries(settings).map(([name, { value, reason }]) => ({ name, value, reason })),
      })),
    containers: fitting.map((name) => {
      const { memory, cpus } = container(name, machine)
      return { name, memoryMiB: memory, cpus }
    }),
    without: SYSTEM_NAMES.filter((system) => !fitting.includes(system)),
    totals: {
      development: memoryOf('development', machine),
      production: memoryOf('production', machine),
      reserved: reservedOf(machine),
    },
  }
}

function formatPlan({ machine, files, containers, without, totals }: ReturnType<typeof planFor>): string {
  const parts = files.map(({ path, memoryMiB, cpus, settings }) => {
    const rows = settings.map(({ name, value, reason }) => [name, value.replace(/;$/, ''), reason])
    return `${path}  (${memoryMiB} MiB, ${cpus} CPUs)\n${formatTable(['setting', 'value', 'why'], rows)}`
  })
  const limits = containers.map(({ name, memoryMiB, cpus }) => [name, `${memoryMiB} MiB`, `${cpus}`])
  const missing =
    without.length === 0 ? '' : `\nNot on this machine, which is below 8 GiB: ${without.join(', ')}.\n`
  return `${machine.memoryMiB} MiB, ${machine.cpus} CPUs, ${machine.workload}

${parts.join('\n')}
limits of containers
${formatTable(['container', 'memory', 'CPUs'], limits)}
All containers take at most ${totals.development} MiB in development and ${totals.production} MiB in production; ${totals.reserved} MiB are for the system.
${missing}`
}

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
