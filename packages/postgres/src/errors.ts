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

/**
 * SQLSTATE of a server that cannot do its work now, in a session that goes on: its disk, memory or limits are exhausted (53), an
 * operator intervened (57), its files cannot be read or written (58), its configuration cannot be read (F0), it lost a snapshot that
 * it needed (72), or it does not know how a transaction ended (40000, 40003). Corruption and internal errors (XX) and exceeded
 * limits of a statement (54) are not among them: the same request meets them again.
 */
const UNABLE_CLASSES = /^(53|57|58|F0|72)/
const UNABLE = new Set(['40000', '40003'])

/** Whether the server reports that it cannot do its work now, as opposed to an error of the statement. See `UNABLE_CLASSES`. */
export function isServerUnable(error: unknown): boolean {
  const code = typeof error === 'object' && error !== null ? Reflect.get(error, 'code') : undefined
  // A code of Node, such as EPIPE, can have five characters too.
  if (typeof code !== 'string' || !/^[0-9A-Z]{5}$/.test(code)) return false
  // 57014: a statement was cancelled, or reached its time limit.
  return code !== '57014' && (UNABLE_CLASSES.test(code) || UNABLE.has(code))
}
