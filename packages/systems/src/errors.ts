/** A system did not answer as it should. `/ready` shows the code alone, since a driver's message may hold hosts and users. */
export type SystemError = Error & { code: string }

export const systemError = (code: string, message: string, cause?: unknown): SystemError =>
  Object.assign(new Error(message, { cause }), { code })

/** The first code in a chain of causes: drivers wrap what the socket said. */
export function codeOf(error: unknown): string | undefined {
  for (let at = error; at instanceof Error; at = at.cause) {
    if ('code' in at && typeof at.code === 'string') return at.code
  }
  return undefined
}
