/** Wrong arguments and missing settings, by the exit codes of sysexits.h. */
export const exitCodes = { usage: 64, failed: 1, settings: 78 }

/** Arguments that make no sense. */
export class UsageError extends Error {}

/** A setting that a command needs is missing; its code is that of the config package's error. */
export class SettingsError extends Error {
  readonly code = 'CONFIG_INVALID'
}

/** `pnpm redis -- status` hands on the dashes too. */
export const argumentsOf = (): string[] => process.argv.slice(2).filter((argument) => argument !== '--')

/** Runs a command: what fails becomes a sentence and an exit code, 64 for a wrong argument, 78 for settings, else 1. */
export async function runCommand(help: string, main: () => Promise<number>): Promise<void> {
  try {
    process.exitCode = await main()
  } catch (error) {
    const code = codeOf(error)
    const usage = error instanceof UsageError || code.startsWith('ERR_PARSE_ARGS')
    process.stderr.write(`${sentenceOf(error)}\n${usage ? `\n${help}` : ''}`)
    process.exitCode = usage
      ? exitCodes.usage
      : code === 'CONFIG_INVALID'
        ? exitCodes.settings
        : exitCodes.failed
  }
}

/** What an error says, and what it is about: that a connection was refused says more than that there is none. */
export function sentenceOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error)
  // A connection refused at several addresses is an error without a message.
  const own = error.message || codeOf(error) || error.name
  return error.cause instanceof Error ? `${own.replace(/\.$/, '')}: ${sentenceOf(error.cause)}` : own
}

function codeOf(error: unknown): string {
  const code: unknown = error instanceof Error ? Reflect.get(error, 'code') : undefined
  return typeof code === 'string' ? code : ''
}
