import { parseArgs } from 'node:util'
import type { Action, Command, Group, LazyCommand, Options } from './command.ts'
import { describeError, exitCodeOf, UsageError } from './errors.ts'
import { EXIT_CODES } from './exit-codes.ts'
import { helpOfAction, helpOfGroup } from './help.ts'

/**
 * Runs a command line and sets the process's exit code. An error becomes one sentence on stderr and one of `EXIT_CODES`;
 * wrong arguments are followed by the help text, and a bug by its stack.
 *
 * @param name as the user types it, such as `pnpm ops`
 * @param argv defaults to the process's own
 */
export async function runCommand(
  name: string,
  command: Command,
  argv: readonly string[] = process.argv.slice(2),
): Promise<void> {
  // `pnpm ops redis -- status` passes the dashes on.
  const args = argv.filter((argument) => argument !== '--')
  process.exitCode = isGroup(command)
    ? await runGroup(name, command, args)
    : await runAction(name, command, args)
}

async function runGroup(name: string, group: Group, args: readonly string[]): Promise<number> {
  const [called, ...rest] = args
  const help = helpOfGroup(name, group)
  if (called === '--help' || called === '-h') return print(help)
  const found =
    called !== undefined && Object.hasOwn(group.commands, called) ? group.commands[called] : undefined
  if (called === undefined || found === undefined) {
    const fault = called === undefined ? 'A command is missing' : `There is no command '${called}'`
    return fail(new UsageError(`${fault}: ${Object.keys(group.commands).join(', ')}`), help)
  }
  const command = isLazy(found) ? await found.load() : found
  const inner = `${name} ${called}`
  return isGroup(command) ? runGroup(inner, command, rest) : runAction(inner, command, rest)
}

async function runAction(name: string, command: Action<Options>, args: readonly string[]): Promise<number> {
  const help = helpOfAction(name, command)
  try {
    const { values, positionals } = readArguments(command, args)
    if (values === 'help') return print(help)
    return (await command.run(values, positionals)) ?? EXIT_CODES.OK
  } catch (error) {
    return fail(error, help)
  }
}

function readArguments({ options = {}, positionals: expected }: Action<Options>, args: readonly string[]) {
  const { values, positionals } = parse(options, args)
  if (values.help === true) return { values: 'help', positionals } as const
  const { minimum = 0, maximum = Number.POSITIVE_INFINITY, placeholder = '' } = expected ?? { maximum: 0 }
  if (positionals.length > maximum) {
    throw new UsageError(`Unexpected argument '${positionals[maximum]}'`)
  }
  if (positionals.length < minimum) throw new UsageError(`An argument is missing: ${placeholder}`)
  const parsed = Object.entries(options).map(([name, option]) => [name, option.parse(values[name], name)])
  return { values: Object.fromEntries(parsed) as Record<string, unknown>, positionals }
}

function parse(options: Options, args: readonly string[]) {
  try {
    const { values, positionals } = parseArgs({
      args: [...args],
      allowPositionals: true,
      options: {
        ...Object.fromEntries(
          Object.entries(options).map(([name, { type, short }]) => [
            name,
            // Every text option may be repeated; most of them use the last value.
            { type, ...(type === 'string' && { multiple: true }), ...(short && { short }) },
          ]),
        ),
        help: { type: 'boolean', short: 'h' },
      },
    })
    return { values: values as Record<string, readonly string[] | boolean | undefined>, positionals }
  } catch (error) {
    throw new UsageError(describeError(error))
  }
}

function fail(error: unknown, help: string): number {
  const exitCode = exitCodeOf(error)
  const isBug = exitCode === EXIT_CODES.SOFTWARE
  process.stderr.write(`${isBug && error instanceof Error ? error.stack : describeError(error)}\n`)
  if (exitCode === EXIT_CODES.USAGE) process.stderr.write(`\n${help}`)
  return exitCode
}

function print(text: string): number {
  process.stdout.write(text)
  return EXIT_CODES.OK
}

function isGroup(command: Command | LazyCommand): command is Group {
  return 'commands' in command
}

function isLazy(command: Command | LazyCommand): command is LazyCommand {
  return 'load' in command
}
