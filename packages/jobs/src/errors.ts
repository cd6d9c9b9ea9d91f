import { ConnectError, isLoginRefusal } from '@reference/postgres'

/** The faults of this package, in one place. Those with a `statusCode` may reach an HTTP reply as they are. */

export type FieldFault = { field: string; message: string }

/** The job store cannot be reached, or is not there yet. */
export class JobsUnavailableError extends Error {
  readonly code = 'JOBS_UNAVAILABLE'
  readonly statusCode = 503
  readonly retryAfterSeconds = 1

  constructor(cause?: unknown) {
    super('The job queue is not available.', { cause })
    this.name = 'JobsUnavailableError'
  }
}

/** A payload, an id or an option that the definition of the job refuses; `errors` names each field. */
export class JobDataError extends Error {
  readonly code = 'JOB_DATA_INVALID'
  readonly statusCode = 422
  readonly errors: FieldFault[]

  constructor(job: string, errors: FieldFault[], cause?: unknown) {
    const faults = errors.map(({ field, message }) => `${field || 'data'} ${message}`).join('; ')
    super(`Job ${job}: ${faults}.`, { cause })
    this.name = 'JobDataError'
    this.errors = errors
  }
}

/** A handler returned what its definition does not allow: a fault of the program, so it is not tried again. */
export class JobResultError extends Error {
  readonly code = 'JOB_RESULT_INVALID'
  readonly retry = false

  constructor(job: string, errors: FieldFault[]) {
    const faults = errors.map(({ field, message }) => `${field || 'result'} ${message}`).join('; ')
    super(`Job ${job} returned a wrong result: ${faults}.`)
    this.name = 'JobResultError'
  }
}

/** A handler throws this when trying again cannot help: the job fails at once and goes to the dead letters. */
export class JobPermanentError extends Error {
  readonly code = 'JOB_PERMANENT_FAILURE'
  readonly retry = false

  constructor(message: string, options?: { cause?: unknown }) {
    super(message, options)
    this.name = 'JobPermanentError'
  }
}

/** A definition that was not given to `createJobs`. */
export class JobUnknownError extends Error {
  readonly code = 'JOB_UNKNOWN'

  constructor(job: string) {
    super(`Job ${job} is not among the definitions of this process.`)
    this.name = 'JobUnknownError'
  }
}

/** A queue that is not there: its name was misspelt, or no process that knows the job has run yet. */
export class QueueUnknownError extends Error {
  readonly code = 'QUEUE_UNKNOWN'

  constructor(queue: string, known: readonly string[]) {
    super(
      `There is no queue ${queue}; there ${known.length > 0 ? `are ${known.join(', ')}` : 'is none yet'}.`,
    )
    this.name = 'QueueUnknownError'
  }
}

// Of sockets, postgres.js and the database package, for a job that is enqueued in a transaction of theirs.
const CONNECTION_CODES = new Set([
  ...[
    'ECONNREFUSED',
    'ECONNRESET',
    'EPIPE',
    'ETIMEDOUT',
    'EHOSTUNREACH',
    'ENETUNREACH',
    'ENOTFOUND',
    'EAI_AGAIN',
  ],
  ...['CONNECTION_CLOSED', 'CONNECTION_DESTROYED', 'CONNECTION_ENDED', 'CONNECT_TIMEOUT', 'DB_UNAVAILABLE'],
])

// node-postgres throws these without a code.
const CONNECTION_MESSAGES =
  /^(Connection terminated|timeout exceeded when trying to connect|Query read timeout|Client has encountered a connection error|Cannot use a pool after calling end)/

/** Whether an error says that Postgres cannot be reached, rather than that it refused a statement. */
export function isConnectionFault(error: unknown): boolean {
  for (let fault = error; fault instanceof Error; fault = fault.cause) {
    const code = codeOf(fault)
    if (fault instanceof ConnectError || isLoginRefusal(fault)) return true
    if (code !== undefined && CONNECTION_CODES.has(code)) return true
    if (CONNECTION_MESSAGES.test(fault.message)) return true
  }
  return false
}

/** JSON that Postgres cannot hold as jsonb: U+0000 (22P05) or half of a surrogate pair (22P02). */
export function isUnstorableJson(error: unknown): boolean {
  for (let fault = error; fault instanceof Error; fault = fault.cause) {
    const code = codeOf(fault)
    if (code === '22P05' || code === '22P02') return true
  }
  return false
}

function codeOf(error: Error): string | undefined {
  const code: unknown = Reflect.get(error, 'code')
  return typeof code === 'string' ? code : undefined
}
