import { AppError } from '@reference/errors'

/** Failures of a local stack. `code` is stable; `message` is for people and names the remedy. */
export type LocalStackErrorCode =
  | 'REDIS_MISSING'
  | 'POSTGRES_MISSING'
  | 'SERVER_START_FAILED'
  | 'SERVER_USER_MISSING'
  | 'FOLDER_UNREACHABLE'
  | 'PORT_TAKEN'
  | 'ADDRESS_UNAVAILABLE'
  | 'ALREADY_RUNS'
  | 'FOLDER_IN_USE'

export type LocalStackError = AppError<LocalStackErrorCode>

export function localStackError(
  code: LocalStackErrorCode,
  message: string,
  cause?: unknown,
): LocalStackError {
  return new AppError(code, 500, message, { cause })
}

export function hasCode(error: unknown, code: string): boolean {
  return error instanceof Error && 'code' in error && error.code === code
}
