import { text as readAll } from 'node:stream/consumers'
import { action, EXIT_CODES, flag, formatTable, UsageError } from '@reference/cli'
import type { Machine } from '@reference/infra/sizing'
import { isSame } from './diff/quantity.ts'
import { rulesFor } from './diff/rules.ts'
import { type Server, targetOf } from './diff/server.ts'
import { machineOptions, parseMemory, thisMachine } from './machine.ts'

/** One line of the comparison. */
interface Line {
  readonly setting: string
  /** Null: the server does not have it, or hides it. */
  readonly server: string | null
  readonly rule: string
  readonly state: 'same' | 'differs' | 'unknown'
  /** What a change needs, where the server reports it. */
  readonly needs: string | null
  readonly reason: string
}

/** `pnpm infra diff` and `pnpm infra:diff`. */
export const diffCommand = action({
  summary: 'Compare the settings of a running server with what the rule gives for its machine.',
  positionals: {
    placeholder: 'postgres://…|redis://…|mysql://…|-',
    help: 'the server; - reads the URL from standard input, so that no process list has it',
    minimum: 1,
    maximum: 1,
  },
  options: { ...machineOptions, json: flag({ help: 'for programs' }) },
  details: `The rule is for a server that has its machine, or its container, for itself. Memory and cores are those of this machine
when the server is on it, and else those of --memory and --cpus. Redis has one busy thread and reports the memory of its machine.
Each value is that of infra/postgres, infra/redis or infra/mysql, sized for the machine; the reason is that of its line there.

The command only reads: a read-only transaction with SELECT on pg_settings, INFO and CONFIG GET, SHOW GLOBAL VARIABLES. It prints no
password. A difference is a question, not a fault: the file of infra/redis is for a cache, whose data can be loaded again.
Exit code 0, 1 when the server could not be read, 64 for wrong arguments.`,
  async run({ memory, cpus, workload, json }, [given = '']) {
    const target = targetOf(given === '-' ? (await readAll(process.stdin)).trim() : given)
    const here = target.isLocal ? thisMachine() : undefined
    const names = rulesFor(target.engine, { memory: 4096, cpus: 1, workload }).map(({ name }) => name)
    const server = await target.read(names)
    const machine: Machine = {
      memory: memory === undefined ? (here?.memory ?? reportedMemory(server)) : parseMemory(memory, 256),
      cpus: cpus ?? here?.cpus ?? cpusWithout(server),
      workload,
    }
    const lines = linesOf(server, machine)
    const { engine, address, version } = server
    process.stdout.write(
      json
        ? `${JSON.stringify({ server: { engine, address, version }, machine, lines }, null, 2)}\n`
        : report(server, machine, lines),
    )
    return EXIT_CODES.OK
  },
})

function reportedMemory({ memoryBytes }: Server): number {
  if (memoryBytes === undefined) throw unknownMachine()
  return Math.floor(memoryBytes / 2 ** 20)
}

function cpusWithout({ engine }: Server): number {
  if (engine === 'postgres') throw unknownMachine()
  return 1
}

function unknownMachine(): UsageError {
  return new UsageError('The server is on another machine: give --memory and --cpus')
}

function linesOf(server: Server, machine: Machine): Line[] {
  return rulesFor(server.engine, machine).map(({ name, value, reason }) => {
    const actual = server.settings.get(name)
    const state =
      actual === undefined ? 'unknown' : isSame(actual.value, value, actual.unit) ? 'same' : 'differs'
    return {
      setting: name,
      server: actual?.value ?? null,
      rule: value,
      state,
      needs: state === 'differs' ? (actual?.needs ?? null) : null,
      reason,
    }
  })
}

const MARKS = { same: '=', differs: '≠', unknown: '?' } as const

function report({ address, version }: Server, machine: Machine, lines: readonly Line[]): string {
  const rows = lines.map(({ setting, server, rule, state, needs, reason }) => [
    MARKS[state],
    setting,
    server === '' ? '(empty)' : (server ?? '(not known)'),
    rule === '' ? '(empty)' : rule,
    needs ?? '',
    reason,
  ])
  const count = (state: Line['state']) => lines.filter((line) => line.state === state).length
  return `${version} at ${address}, by the rule for ${machine.memory} MiB, ${machine.cpus} CPUs, ${machine.workload}

${formatTable(['', 'setting', 'server', 'rule', 'needs', 'why'], rows)}
${lines.length} settings: ${count('same')} as in the rule, ${count('differs')} differ, ${count('unknown')} not known to the server.
`
}
