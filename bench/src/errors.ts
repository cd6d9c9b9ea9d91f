/** A fault that the benchmark tells of in one sentence, without a stack. */
export class BenchError extends Error {
  readonly code: string

  constructor(code: string, message: string, options?: ErrorOptions) {
    super(message, options)
    this.name = 'BenchError'
    this.code = code
  }
}

/** What a scenario compares was not proven to be on, or off. */
export class UnprovenError extends BenchError {
  constructor(message: string) {
    super('UNPROVEN', message)
    this.name = 'UnprovenError'
  }
}

/** The command line is wrong; the process ends with `EX_USAGE`. */
export class UsageError extends BenchError {
  constructor(message: string) {
    super('USAGE', message)
    this.name = 'UsageError'
  }
}
