import { AppError } from '@reference/errors'
import { ConnectError, isLoginRefusal, isServerUnable } from '@reference/postgres'

/**
 * The errors of this package that callers can act on. Each stands for HTTP 503 and may be retried; the driver's error is the
 * `cause`. So callers need to know nothing about Postgres.
 */
export type DatabaseError = AppError<
  'DB_POOL_TIMEOUT' | 'DB_UNAVAILABLE' | 'DB_STATEMENT_TIMEOUT' | 'DB_LOCK_TIMEOUT' | 'DB_CONFLICT'
>

/** Nothing could be sent within the wait limit: every connection was busy all the time. */
export function poolTimeoutError(pool: string, waitedMs: number): DatabaseError {
  return retryable('DB_POOL_TIMEOUT', `No connection of pool ${pool} within ${waitedMs} ms`)
}

/** The server cannot be reached, does not answer, refuses new sessions, or was lost while it ran the statement. */
export function databaseUnavailableError(cause: unknown): DatabaseError {
  return retryable('DB_UNAVAILABLE', 'The database cannot be reached', cause)
}

/** The server stopped a statement at its time limit. */
export function statementTimeoutError(cause: unknown): DatabaseError {
  return retryable('DB_STATEMENT_TIMEOUT', 'The statement took longer than its limit', cause)
}

/** The server ended the wait for a lock (`lock_timeout` of the role, or `nowait`). */
export function lockTimeoutError(cause: unknown): DatabaseError {
  return retryable('DB_LOCK_TIMEOUT', 'A lock was not free within its time limit', cause)
}

/**
 * The work lost against other transactions at each attempt. Not a 409: the request is correct and may be sent again as it is;
 * nothing of it was committed.
 */
export function conflictError(cause: unknown): DatabaseError {
  const message = 'Other transactions changed the same rows at the same time, at each of several attempts'
  return retryable('DB_CONFLICT', message, cause)
}

function retryable(code: DatabaseError['code'], message: string, cause?: unknown): DatabaseError {
  return new AppError(code, 503, message, { cause, retryAfterSeconds: 1 })
}

/** Another row has this value already. `constraint` narrows it to one, such as `users_email_unique`. */
export function isUniqueViolation(error: unknown, constraint?: string): boolean {
  return isViolation(error, '23505', constraint)
}

/** The row that is referred to does not exist (insert), or the row is still referred to (delete; 23001 with `restrict`). */
export function isForeignKeyViolation(error: unknown, constraint?: string): boolean {
  return isViolation(error, '23503', constraint) || isViolation(error, '23001', constraint)
}

/** A row violates a check constraint. `constraint` narrows it to one. */
export function isCheckViolation(error: unknown, constraint?: string): boolean {
  return isViolation(error, '23514', constraint)
}

/**
 * The database holds a row that the API has no form for, such as a row that is older than a check constraint. A 500: the request
 * is correct, and a retry does not help. The message is for the caller.
 */
export function rowNotRepresentable(kind: string, id: number, cause?: unknown): AppError {
  const message = `The ${kind} ${id} is stored with values that this API cannot represent`
  return new AppError('ROW_NOT_REPRESENTABLE', 500, message, { cause, expose: true })
}

/** The transaction lost against another one (serialization failure or deadlock), once or at each attempt. */
export function isRetryableConflict(error: unknown): boolean {
  const code = codeOf(error)
  return code === '40001' || code === '40P01' || code === 'DB_CONFLICT'
}

export function isDatabaseUnavailable(error: unknown): boolean {
  return codeOf(error) === 'DB_UNAVAILABLE'
}

/** This connection will answer nothing more, or none could be made. */
export function isLostConnection(error: unknown): boolean {
  if (error instanceof ConnectError || isLoginRefusal(serverErrorOf(error))) return true
  const code = codeOf(error)
  return BROKEN_CODES.has(code) || UNREACHABLE_CODES.has(code)
}

/** The server became read-only, as after a failover: a new connection may lead to the new primary. */
export function isReadOnlyServer(error: unknown): boolean {
  return codeOf(error) === READ_ONLY_SERVER
}

/** A function does not exist in the server, is not permitted to this role, or is not supported. */
export function isNotSupported(error: unknown): boolean {
  return ['42883', '42501', '0A000'].includes(codeOf(error))
}

/** The table does not exist. */
export function isMissingTable(error: unknown): boolean {
  return codeOf(error) === '42P01'
}

/** A value of a parameter is not valid for its type or out of its range. */
export function isDataException(error: unknown): boolean {
  return codeOf(error).startsWith('22')
}

/** The connection broke while it was in use; a read-only statement may be sent once more. */
export function isBrokenConnection(error: unknown): boolean {
  return BROKEN_CODES.has(codeOf(error))
}

/** A statement names a table, column, type, schema or unique constraint that the database does not have. */
const MISSING_OBJECTS = new Set(['42P01', '42703', '42704', '3F000', '42P10'])

/**
 * The schema lacks what a statement needs, usually because a migration is not applied. `code` is that of the server. It is no
 * `AppError`, because the reply must not say more than `INTERNAL_ERROR`; the message is for the log.
 */
class SchemaMismatchError extends Error {
  readonly code: string
  readonly statement: string

  constructor(statement: string, code: string, cause: Error) {
    const remedy = 'If a migration is not applied, type: pnpm db:migrate'
    super(`Statement ${statement} does not fit the schema: ${cause.message}. ${remedy}`, { cause })
    this.name = 'SchemaMismatchError'
    this.code = code
    this.statement = statement
  }
}

/**
 * Turns errors of the driver and the server that mean "not now" into a `DatabaseError`, and gives errors about a missing part of the
 * schema the name of the statement; returns other errors as they are.
 *
 * @param statement the name of the statement that failed
 */
export function translate(error: unknown, statement?: string): unknown {
  const code = codeOf(error)
  if (MISSING_OBJECTS.has(code) && statement !== undefined && !(error instanceof SchemaMismatchError)) {
    return new SchemaMismatchError(statement, code, error as Error)
  }
  if (isLostConnection(error) || isReadOnlyServer(error) || isServerUnable(serverErrorOf(error))) {
    return databaseUnavailableError(error)
  }
  if (code === '55P03') return lockTimeoutError(error)
  return code === '57014' ? statementTimeoutError(error) : error
}

const BROKEN_CODES = new Set([
  'CONNECTION_CLOSED',
  'CONNECTION_DESTROYED',
  'PROTOCOL_VIOLATION',
  'ECONNRESET',
  'EPIPE',
  // Ended by an administrator, by a crash, or by the limit of an idle session, an idle transaction or a transaction.
  ...['57P01', '57P02', '57P05', '25P03', '25P04'],
])

/** Codes of postgres.js and of sockets, in addition to the codes that `@reference/postgres` knows. */
const UNREACHABLE_CODES = new Set([
  ...['CONNECTION_ENDED', 'CONNECT_TIMEOUT', 'ETIMEDOUT', 'EHOSTUNREACH', 'ENETUNREACH', 'ECONNABORTED'],
  'SASL_SIGNATURE_MISMATCH',
])

const READ_ONLY_SERVER = '25006'

function isViolation(error: unknown, code: string, constraint?: string): boolean {
  for (let fault = error; fault instanceof Error; fault = fault.cause) {
    const { code: own, constraint_name: name } = fault as { code?: unknown; constraint_name?: string }
    if (own === code) return constraint === undefined || name === constraint
  }
  return false
}

/** The first error with a code in the chain of causes: the driver's error, even inside a DrizzleQueryError. */
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
