/** What can go wrong with a local stack; `code` is stable, `message` is for people and says what to do. */
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

export type LocalStackError = Error & { code: LocalStackErrorCode }

export const localStackError = (
  code: LocalStackErrorCode,
  message: string,
  cause?: unknown,
): LocalStackError => Object.assign(new Error(message, { cause }), { code })

export const hasCode = (error: unknown, code: string): boolean =>
  error instanceof Error && 'code' in error && error.code === code
