import { AppError } from '@reference/errors'

/** Work took longer than its deadline. */
export class DeadlineError extends AppError<'DEADLINE_EXCEEDED'> {
  readonly timeoutMs: number

  constructor(timeoutMs: number) {
    super('DEADLINE_EXCEEDED', 504, `took longer than ${timeoutMs} ms`)
    this.timeoutMs = timeoutMs
  }
}
