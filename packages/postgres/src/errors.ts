/** No session could be opened, and why. Nothing was sent that the server could have executed. */
export class ConnectError extends Error {
  /** Node's (`ECONNREFUSED`, `CERT_HAS_EXPIRED` …) or one of ours (`TLS_REFUSED`, `NOT_POSTGRES`, `CONNECT_TIMEOUT` …). */
  readonly code: string

  constructor(code: string, message: string, cause?: unknown) {
    super(message, cause === undefined ? undefined : { cause })
    this.name = 'ConnectError'
    this.code = code
  }
}

/** Classes of SQLSTATE with which a server, or PgBouncer, refuses a session: connection (08), login (28), operator (57P). */
const REFUSING = /^(08|28|57P)/

/** Codes outside of those classes. */
const REFUSALS = new Set(['3D000', '53300'])

/**
 * Whether an error of the server says that it lets no session in, or ended the session: by its code, or since its
 * severity is FATAL, which a statement's own error never is.
 */
export function isLoginRefusal(error: unknown): boolean {
  if (typeof error !== 'object' || error === null) return false
  const { code, severity } = error as { code?: unknown; severity?: unknown }
  if (severity === 'FATAL' || severity === 'PANIC') return true
  return typeof code === 'string' && code.length === 5 && (REFUSING.test(code) || REFUSALS.has(code))
}
