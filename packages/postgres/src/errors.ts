import { AppError } from '@reference/errors'

/** No session could be opened. The server has executed nothing. */
export class ConnectError extends AppError {
  /**
   * @param code Node's (`ECONNREFUSED`, `CERT_HAS_EXPIRED` …) or one of this package (`TLS_REFUSED`, `NOT_POSTGRES`,
   *   `CONNECT_TIMEOUT` …)
   */
  constructor(code: string, message: string, cause?: unknown) {
    super(code, 503, message, { cause })
  }
}

/** A URL that cannot be used. The message names the part and never contains a password. */
export class UrlError extends AppError<'DATABASE_URL_INVALID'> {
  constructor(message: string) {
    super('DATABASE_URL_INVALID', 500, message)
  }
}

/** Classes of SQLSTATE with which a server or PgBouncer refuses a session: connection (08), login (28), operator (57P). */
const REFUSAL_CLASSES = /^(08|28|57P)/

/** Codes outside of these classes: no such database, too many connections. */
const REFUSALS = new Set(['3D000', '53300'])

/**
 * Whether an error of the server refuses or ends the session, by its code, or by the severity FATAL, which an error of a
 * statement never has.
 */
export function isLoginRefusal(error: unknown): boolean {
  if (typeof error !== 'object' || error === null) return false
  const { code, severity } = error as { code?: unknown; severity?: unknown }
  if (severity === 'FATAL' || severity === 'PANIC') return true
  return typeof code === 'string' && code.length === 5 && (REFUSAL_CLASSES.test(code) || REFUSALS.has(code))
}
