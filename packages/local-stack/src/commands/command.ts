import { type ParseArgsConfig, parseArgs } from 'node:util'
import { EXIT_CODES, Output } from '@reference/cli'
import { EXIT_CONFIG, EXIT_TEMPORARY } from '@reference/config'
import { hasCode } from '../errors.ts'
import { holdOpen } from '../guard.ts'

type Options = NonNullable<ParseArgsConfig['options']>
export type Values = Record<string, string | boolean | undefined>

/** An argument that makes no sense; exit code 64 (EX_USAGE). */
export class UsageError extends Error {}

/** Reads arguments, answers `--help`, and turns what fails into one line and an exit code: 64 for a wrong argument, else 1. */
export const runCommand = async (
  help: string,
  options: Options,
  main: (values: Values) => Promise<number>,
): Promise<void> => {
  try {
    const { values } = readArguments({ ...options, help: { type: 'boolean', short: 'h' } })
    process.exitCode = values.help === true ? print(help) : await main(values)
  } catch (error) {
    const usage = error instanceof UsageError
    say(error instanceof Error ? error.message : String(error))
    if (usage) say(`\n${help}`.trimEnd())
    process.exitCode = usage ? EXIT_CODES.USAGE : exitCodeOf(error)
  }
}

const readArguments = (options: Options): { values: Values } => {
  // `pnpm dev -- --port 1` hands on the dashes too.
  const args = process.argv.slice(2).filter((argument) => argument !== '--')
  try {
    const { values } = parseArgs({ args, options, allowPositionals: false, strict: true })
    return {
      values: Object.fromEntries(Object.entries(values).map(([name, value]) => [name, single(value)])),
    }
  } catch (error) {
    throw new UsageError(error instanceof Error ? error.message : String(error))
  }
}

const single = (value: unknown): string | boolean | undefined =>
  typeof value === 'string' || typeof value === 'boolean' ? value : undefined

const print = (text: string): number => {
  process.stdout.write(text)
  return 0
}

export const portOf = (values: Values, name: string): number | undefined => {
  const text = values[name]
  if (text === undefined) return undefined
  const port = typeof text === 'string' && /^\d{1,5}$/.test(text) ? Number(text) : 0
  if (port < 1 || port > 65535)
    throw new UsageError(`--${name} is a port from 1 to 65535, not ${String(text)}`)
  return port
}

export const oneOf = <T extends string>(
  values: Values,
  name: string,
  allowed: readonly T[],
  fallback: T,
): T => {
  const text = values[name] ?? fallback
  const found = allowed.find((one) => one === text)
  if (found === undefined)
    throw new UsageError(`--${name} is one of ${allowed.join(', ')}, not ${String(text)}`)
  return found
}

export type Interruption = { signal: Promise<NodeJS.Signals>; release(): void }

/** Tells of Ctrl-C and SIGTERM, and keeps the process alive until `release`. A second Ctrl-C ends it at once. */
export const onInterrupt = (): Interruption => {
  const release = holdOpen()
  const { promise, resolve } = Promise.withResolvers<NodeJS.Signals>()
  for (const name of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.once(name, resolve)
  return { signal: promise, release }
}

/** As the services end for the same reasons. */
const exitCodeOf = (error: unknown): number => {
  if (hasCode(error, 'CONFIG_INVALID') || hasCode(error, 'VAULT_REFUSED')) return EXIT_CONFIG
  return hasCode(error, 'VAULT_UNAVAILABLE') ? EXIT_TEMPORARY : EXIT_CODES.FAILED
}

let standardError: Output | undefined

/** Prints a line for people. Never waits for a reader, as little as the services do. */
export const say = (line: string): void => {
  standardError ??= new Output(2)
  standardError.write(`${line}\n`)
}
