import type { Logger } from './logger.ts'

const RETRY_AFTER_MS = 500

interface ChecksOptions {
  everyMs: number
  logger: Logger | undefined
}

/** Runs a check at once, then about every `everyMs`, and soon again after a failure. */
export class Checks {
  readonly #check: () => Promise<void>
  readonly #options: ChecksOptions
  #timer: NodeJS.Timeout | undefined
  #running: Promise<void> | undefined
  #hasFailed = false
  #isClosed = false

  constructor(check: () => Promise<void>, options: ChecksOptions) {
    this.#check = check
    this.#options = options
    this.#run()
  }

  /** There is a reason to check before the next time. */
  soon(): void {
    if (this.#running !== undefined || this.#hasFailed || this.#isClosed) return
    clearTimeout(this.#timer)
    this.#timer = setTimeout(() => this.#run(), 0)
  }

  /** Resolves when the running check has ended. */
  async close(): Promise<void> {
    this.#isClosed = true
    clearTimeout(this.#timer)
    await this.#running
  }

  #run(): void {
    this.#running = this.#check()
      .then(
        () => {
          this.#hasFailed = false
        },
        (error: unknown) => this.#fail(error),
      )
      .finally(() => {
        this.#running = undefined
        // Spread at random, so that many processes do not ask at the same moment.
        const afterMs = this.#hasFailed ? RETRY_AFTER_MS : this.#options.everyMs * (0.8 + 0.4 * Math.random())
        if (!this.#isClosed) this.#timer = setTimeout(() => this.#run(), afterMs)
      })
  }

  #fail(error: unknown): void {
    if (!this.#hasFailed && !this.#isClosed) {
      this.#options.logger?.warn({ err: error }, 'cache: the database cannot be asked about the cache')
    }
    this.#hasFailed = true
  }
}
