/** One field of the input, and what is wrong with it. */
export interface FieldError {
  readonly field: string
  readonly message: string
}

export interface AppErrorOptions {
  readonly cause?: unknown
  /** When a caller may try again; HTTP sends it as `retry-after`. */
  readonly retryAfterSeconds?: number | undefined
  /** The message may reach the caller although the status is 5xx. Default `false`: it may name hosts, users or statements. */
  readonly expose?: boolean
  /** The fields of the input that were refused. */
  readonly errors?: readonly FieldError[] | undefined
}

/**
 * An error that other code, and HTTP, can act on: `code` for programs, `statusCode` for the reply.
 *
 * A subclass is worth its lines only where callers catch that class. The constructor assigns fields and nothing else, and
 * keeps no state, so a hot path may make one error at start and throw the same object each time: capturing the stack is
 * what an error costs.
 *
 * @example
 * throw new AppError('EMAIL_TAKEN', 409, 'Another user has this email')
 */
export class AppError<Code extends string = string> extends Error {
  readonly code: Code
  /** 400–599. */
  readonly statusCode: number
  readonly expose: boolean
  // Declared only: a field would exist as `undefined` too, and loggers print every property.
  declare readonly retryAfterSeconds?: number
  declare readonly errors?: readonly FieldError[]

  /**
   * @param code stable and in capitals: programs compare it
   * @param message a sentence for people
   */
  constructor(code: Code, statusCode: number, message: string, options: AppErrorOptions = {}) {
    const { cause, retryAfterSeconds, expose = false, errors } = options
    super(message, cause === undefined ? undefined : { cause })
    this.name = new.target.name
    this.code = code
    this.statusCode = statusCode
    this.expose = expose
    if (retryAfterSeconds !== undefined) this.retryAfterSeconds = retryAfterSeconds
    if (errors !== undefined) this.errors = errors
  }
}
