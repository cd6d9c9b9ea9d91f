import { ConnectError, isLoginRefusal } from '@reference/postgres'

/**
 * What callers can tell apart. Each error of ours carries a stable `code` and the HTTP status it stands for,
 * so that nothing above has to know Postgres; the driver's error is the `cause`.
 */
export type DatabaseError = Error & {
  code: 'DB_POOL_TIMEOUT' | 'DB_UNAVAILABLE' | 'DB_STATEMENT_TIMEOUT' | 'DB_LOCK_TIMEOUT' | 'DB_CONFLICT'
  statusCode: 503
  retryAfterSeconds: number
}

/** Nothing could be sent within the wait limit: every connection was busy for all of it. */
export function poolTimeoutError(pool: string, waitedMs: number): DatabaseError {
  return fault('PoolTimeoutError', 'DB_POOL_TIMEOUT', `No connection of pool ${pool} within ${waitedMs} ms`)
}

/** The server cannot be reached, does not answer, refuses new sessions, or went away with the statement on its way. */
export function databaseUnavailableError(cause: unknown): DatabaseError {
  return fault('DatabaseUnavailableError', 'DB_UNAVAILABLE', 'The database cannot be reached', cause)
}

/** The server stopped a statement that ran into its time limit. */
export function statementTimeoutError(cause: unknown): DatabaseError {
  return fault(
    'StatementTimeoutError',
    'DB_STATEMENT_TIMEOUT',
    'The statement took longer than its limit',
    cause,
  )
}

/** The server gave up the wait for a lock (`lock_timeout` of the role, or `nowait`). */
export function lockTimeoutError(cause: unknown): DatabaseError {
  return fault('LockTimeoutError', 'DB_LOCK_TIMEOUT', 'A lock was not free within its time limit', cause)
}

/**
 * The work lost against other transactions as often as it was tried. Not a 409: nothing is wrong with the request, which may
 * be sent again as it is; nothing of it was committed.
 */
export function conflictError(cause: unknown): DatabaseError {
  return fault(
    'ConflictError',
    'DB_CONFLICT',
    'Other transactions changed the same rows at the same time, at each of several attempts',
    cause,
  )
}

function fault(name: string, code: DatabaseError['code'], message: string, cause?: unknown): DatabaseError {
  const error = new Error(message, cause === undefined ? undefined : { cause })
  return Object.assign(error, { name, code, statusCode: 503 as const, retryAfterSeconds: 1 })
}

/** A row with this value exists already; `constraint` narrows it to one, such as `users_email_unique`. */
export function isUniqueViolation(error: unknown, constraint?: string): boolean {
  return isViolation(error, '23505', constraint)
}

/** A row that is referred to is absent (insert), or the row is still referred to (delete, code 23001 with `restrict`). */
export function isForeignKeyViolation(error: unknown, constraint?: string): boolean {
  return isViolation(error, '23503', constraint) || isViolation(error, '23001', constraint)
}

/** A row breaks a check constraint; `constraint` narrows it to one. */
export function isCheckViolation(error: unknown, constraint?: string): boolean {
  return isViolation(error, '23514', constraint)
}

/**
 * The database holds a row that the API has no form for, such as one from before a check constraint. A 500: the caller did
 * nothing wrong, and trying again does not help. The message is for the caller.
 */
export class RowNotRepresentableError extends Error {
  readonly code = 'ROW_NOT_REPRESENTABLE'
  readonly statusCode = 500
  readonly expose = true

  constructor(row: string, cause?: unknown) {
    super(`The ${row} is stored with values that this API cannot represent`, { cause })
    this.name = 'RowNotRepresentableError'
  }
}

export function rowNotRepresentable(kind: string, id: number, cause?: unknown): RowNotRepresentableError {
  return new RowNotRepresentableError(`${kind} ${id}`, cause)
}

/** The transaction lost against another (serialization failure or deadlock), once or as often as it was tried. */
export function isRetryableConflict(error: unknown): boolean {
  const code = codeOf(error)
  return code === '40001' || code === '40P01' || code === 'DB_CONFLICT'
}

export function isDatabaseUnavailable(error: unknown): boolean {
  return codeOf(error) === 'DB_UNAVAILABLE'
}

/** Nothing more comes from this connection, or none could be made. */
export function isLostConnection(error: unknown): boolean {
  if (error instanceof ConnectError || isLoginRefusal(serverErrorOf(error))) return true
  const code = codeOf(error)
  return brokenCodes.has(code) || unreachableCodes.has(code)
}

/** The server became read-only under us, as after a failover: a new connection may lead to the new primary. */
export function isReadOnlyServer(error: unknown): boolean {
  return codeOf(error) === readOnlyServer
}

/** The server, or this role in it, lacks a function: it is absent, not permitted or not supported. */
export function isNotSupported(error: unknown): boolean {
  return ['42883', '42501', '0A000'].includes(codeOf(error))
}

/** The connection broke while it was in use, so that a statement without effects may be sent once more. */
export function isBrokenConnection(error: unknown): boolean {
  return brokenCodes.has(codeOf(error))
}

/** Driver and server errors that mean "not now" become ours; everything else is handed on as it is. */
export function translate(error: unknown): unknown {
  const code = codeOf(error)
  if (isLostConnection(error) || isReadOnlyServer(error) || exhaustedCodes.has(code))
    return databaseUnavailableError(error)
  if (code === '55P03') return lockTimeoutError(error)
  return code === '57014' ? statementTimeoutError(error) : error
}

const brokenCodes = new Set([
  'CONNECTION_CLOSED',
  'CONNECTION_DESTROYED',
  'ECONNRESET',
  'EPIPE',
  // Ended by an administrator, a crash, or the limit of an idle session, an idle transaction or a transaction.
  ...['57P01', '57P02', '57P05', '25P03', '25P04'],
])

/** The server goes on, but its disk, its memory or one of its limits is exhausted. */
const exhaustedCodes = new Set(['53100', '53200', '53400'])

// Of postgres.js and of sockets, besides what `@reference/postgres` knows.
const unreachableCodes = new Set([
  ...['CONNECTION_ENDED', 'CONNECT_TIMEOUT', 'ETIMEDOUT', 'EHOSTUNREACH', 'ENETUNREACH', 'ECONNABORTED'],
  'SASL_SIGNATURE_MISMATCH',
])

const readOnlyServer = '25006'

function isViolation(error: unknown, code: string, constraint?: string): boolean {
  for (let fault = error; fault instanceof Error; fault = fault.cause) {
    const { code: own, constraint_name: name } = fault as { code?: unknown; constraint_name?: string }
    if (own === code) return constraint === undefined || name === constraint
  }
  return false
}

/** The first error with a code: the driver's, also where Drizzle has wrapped it (DrizzleQueryError). */
export function serverErrorOf(error: unknown): unknown {
  for (let fault = error; fault !== undefined; fault = causeOf(fault)) {
    if (typeof (fault as { code?: unknown } | null)?.code === 'string') return fault
  }
  return undefined
}

export function codeOf(error: unknown): string {
  return (serverErrorOf(error) as { code: string } | undefined)?.code ?? ''
}

function causeOf(error: unknown): unknown {
  return error instanceof Error ? error.cause : undefined
}
