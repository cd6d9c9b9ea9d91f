import { AppError } from '@reference/errors'

/** A failed probe. `/ready` shows the code alone, since a driver's message may name hosts and users. */
export function probeError(code: string, message: string, cause?: unknown): AppError {
  return new AppError(code, 503, message, { cause })
}

/** The first code in a chain of causes: drivers wrap the error of the socket. */
export function codeOf(error: unknown): string | undefined {
  for (let at = error; at instanceof Error; at = at.cause) {
    if ('code' in at && typeof at.code === 'string') return at.code
  }
  return undefined
}
