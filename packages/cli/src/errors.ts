import { EXIT_CODES } from './exit-codes.ts'

/** A failure that is reported as one sentence, without a stack. */
export class CommandError extends Error {
  readonly exitCode: number

  constructor(message: string, { exitCode = EXIT_CODES.FAILED as number, cause }: CommandErrorOptions = {}) {
    super(message, { cause })
    this.exitCode = exitCode
  }
}

interface CommandErrorOptions {
  exitCode?: number
  cause?: unknown
}

/** Wrong arguments; the help text follows the message. */
export class UsageError extends CommandError {
  constructor(message: string) {
    super(message, { exitCode: EXIT_CODES.USAGE })
  }
}

/** A setting that a command needs is missing. */
export class SettingsError extends CommandError {
  constructor(message: string) {
    super(message, { exitCode: EXIT_CODES.CONFIG })
  }
}

/** Describes an error with its causes in one line: "Not seeded: connect ECONNREFUSED 127.0.0.1:5432". */
export function describeError(error: unknown): string {
  if (!(error instanceof Error)) return String(error)
  // An AggregateError of refused connections has no message of its own.
  const own = error.message || codeOf(error) || error.name
  return error.cause instanceof Error ? `${own.replace(/\.$/, '')}: ${describeError(error.cause)}` : own
}

/** The exit code for an error that ended a command. */
export function exitCodeOf(error: unknown): number {
  if (error instanceof CommandError) return error.exitCode
  if (codeOf(error) === 'CONFIG_INVALID') return EXIT_CODES.CONFIG
  return isBug(error) ? EXIT_CODES.SOFTWARE : EXIT_CODES.FAILED
}

/** `fetch` reports a refused connection as a TypeError with a cause, so only one without is taken for a bug. */
function isBug(error: unknown): boolean {
  const isKind = error instanceof TypeError || error instanceof ReferenceError
  return isKind && error.cause === undefined && codeOf(error) === ''
}

function codeOf(error: unknown): string {
  const code: unknown = error instanceof Error ? Reflect.get(error, 'code') : undefined
  return typeof code === 'string' ? code : ''
}
