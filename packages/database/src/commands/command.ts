import { readFileSync } from 'node:fs'

/** Wrong arguments and missing settings, by the exit codes of sysexits.h. */
export const exitCodes = { usage: 64, failed: 1, settings: 78 }

/**
 * Where tools connect: `DATABASE_DIRECT_URL`, else `DATABASE_URL`; each may be named with `_FILE` instead, for a
 * secret that lies in a file.
 *
 * @returns undefined when none is set.
 */
export function directUrl(env: NodeJS.ProcessEnv = process.env): string | undefined {
  return settingOf(env, 'DATABASE_DIRECT_URL') ?? settingOf(env, 'DATABASE_URL')
}

/** Says what is wrong and how it is called, then ends the process. */
export function fail(message: string, code: number): never {
  process.stderr.write(`${message}\n`)
  process.exit(code)
}

/** The message of an error, or of what it is about: a refused connection has none of its own. */
export function messageOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error)
  const cause = error.cause instanceof Error ? `: ${error.cause.message || error.cause.name}` : ''
  return `${error.message}${cause}`
}

function settingOf(env: NodeJS.ProcessEnv, name: string): string | undefined {
  const file = env[`${name}_FILE`]
  const value = file === undefined || file === '' ? env[name] : readFileSync(file, 'utf8').trim()
  return value === '' ? undefined : value
}
