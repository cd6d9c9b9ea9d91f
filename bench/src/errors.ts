/** A failure that is reported as one sentence, without a stack. */
export class BenchError extends Error {
  readonly code: string

  constructor(code: string, message: string, options?: ErrorOptions) {
    super(message, options)
    this.name = 'BenchError'
    this.code = code
  }
}

/** The difference that a scenario compares was not observed. */
export class UnprovenError extends BenchError {
  constructor(message: string) {
    super('UNPROVEN', message)
    this.name = 'UnprovenError'
  }
}
