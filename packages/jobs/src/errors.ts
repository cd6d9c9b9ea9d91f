import { AppError, type FieldError } from '@reference/errors'
import { ConnectError, isLoginRefusal, isServerUnable } from '@reference/postgres'

/** The database cannot be reached, or has no tables of the queue yet. */
export function jobsUnavailable(cause?: unknown): AppError {
  const options = { cause, retryAfterSeconds: 1 }
  return new AppError('JOBS_UNAVAILABLE', 503, 'The job queue is not available.', options)
}

/** The definition of the job refuses a payload, an id or an option; `errors` names each field. */
export function jobDataInvalid(job: string, errors: readonly FieldError[], cause?: unknown): AppError {
  const message = `Job ${job}: ${sentenceOf(errors, 'data')}.`
  return new AppError('JOB_DATA_INVALID', 422, message, { cause, errors })
}

/** A handler returned a value that its definition refuses. */
export function jobResultInvalid(job: string, errors: readonly FieldError[]): AppError {
  const message = `Job ${job} returned a wrong result: ${sentenceOf(errors, 'result')}.`
  return new AppError('JOB_RESULT_INVALID', 500, message)
}

/** A definition that was not given to `createJobs`. */
export function jobUnknown(job: string): AppError {
  return new AppError('JOB_UNKNOWN', 500, `Job ${job} is not among the definitions of this process.`)
}

/** The name of the queue is misspelt, or no process that defines the job has run yet. */
export function queueUnknown(queue: string, known: readonly string[]): AppError {
  const others = known.length > 0 ? `are ${known.join(', ')}` : 'is none yet'
  return new AppError('QUEUE_UNKNOWN', 404, `There is no queue ${queue}; there ${others}.`)
}

/** Thrown by a handler that must not run again: the job fails at once and becomes a dead letter. */
export class JobPermanentError extends AppError<'JOB_PERMANENT_FAILURE'> {
  readonly retry = false

  constructor(message: string, options: { readonly cause?: unknown } = {}) {
    super('JOB_PERMANENT_FAILURE', 500, message, options)
  }
}

/** A payload or a result that does not fit its schema now will not fit it on the next attempt. */
const PERMANENT_CODES: ReadonlySet<unknown> = new Set(['JOB_DATA_INVALID', 'JOB_RESULT_INVALID'])

/** Whether a job that failed with this error must not run again. Any error with `retry: false` says so. */
export function isPermanent(error: unknown): boolean {
  if (!(error instanceof Error)) return false
  return Reflect.get(error, 'retry') === false || PERMANENT_CODES.has(codeOf(error))
}

/** The codes of sockets, postgres.js and the database package: a job may be enqueued in a transaction of theirs. */
const CONNECTION_CODES: ReadonlySet<unknown> = new Set([
  'ECONNREFUSED',
  'ECONNRESET',
  'EPIPE',
  'ETIMEDOUT',
  'EHOSTUNREACH',
  'ENETUNREACH',
  'ENOTFOUND',
  'EAI_AGAIN',
  'CONNECTION_CLOSED',
  'CONNECTION_DESTROYED',
  'CONNECTION_ENDED',
  'CONNECT_TIMEOUT',
  'DB_UNAVAILABLE',
])

/** The errors that node-postgres throws without a code. */
const CONNECTION_MESSAGES =
  /^(Connection terminated|timeout exceeded when trying to connect|Query read timeout|Client has encountered a connection error|Cannot use a pool after calling end)/

/** Whether Postgres cannot be reached, as opposed to a statement that it refused. */
export function isConnectionError(error: unknown): boolean {
  return causesOf(error).some(
    (each) =>
      each instanceof ConnectError ||
      isLoginRefusal(each) ||
      CONNECTION_CODES.has(codeOf(each)) ||
      CONNECTION_MESSAGES.test(each.message),
  )
}

/** A lock that was not free, the time limit of a statement, a server that became read-only, and conflicts at each attempt. */
const NOT_NOW_CODES: ReadonlySet<unknown> = new Set(['55P03', '57014', '25006', '40001', '40P01'])

/** Whether the same call may succeed later: Postgres cannot be reached, or it reports that it cannot do its work now. */
export function isUnavailable(error: unknown): boolean {
  if (isConnectionError(error)) return true
  return causesOf(error).some((each) => isServerUnable(each) || NOT_NOW_CODES.has(codeOf(each)))
}

/** Whether jsonb refused text: U+0000 (22P05) or half of a surrogate pair (22P02). */
export function isUnstorableJson(error: unknown): boolean {
  return causesOf(error).some((each) => ['22P05', '22P02'].includes(codeOf(each) ?? ''))
}

/** The `code` of an error, if it is a text. */
export function codeOf(error: unknown): string | undefined {
  const code: unknown = error instanceof Error ? Reflect.get(error, 'code') : undefined
  return typeof code === 'string' ? code : undefined
}

/** The error and its causes. */
function causesOf(error: unknown): Error[] {
  const causes: Error[] = []
  for (let each = error; each instanceof Error; each = each.cause) causes.push(each)
  return causes
}

function sentenceOf(errors: readonly FieldError[], whole: string): string {
  return errors.map(({ field, message }) => `${field || whole} ${message}`).join('; ')
}
