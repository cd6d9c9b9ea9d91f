import { delay, settlesWithin } from '@reference/async'
import type { PgBoss } from 'pg-boss'
import { CALL_TIMEOUT_MS } from './connection.ts'
import { codeOf, isUnavailable, jobsUnavailable } from './errors.ts'
import type { JobsLogger } from './options.ts'

export interface LifecycleOptions {
  readonly boss: PgBoss
  /** Runs after each start of pg-boss. If it fails, pg-boss is stopped and started again. */
  onStart(): Promise<void>
  readonly logger: JobsLogger | undefined
}

/**
 * A short longest pause, because a failed attempt costs only one connection. Until one succeeds the API refuses jobs, although
 * it is ready as soon as its database answers again.
 */
const START_RETRY_MS = { first: 100, longest: 500 }

/**
 * At the end of the drain pg-boss settles the remaining jobs as failed, so that they are retried. With a server that does not
 * answer these statements would wait for long: `stop` gives up after this time.
 */
const SETTLE_TIMEOUT_MS = 1_000

/**
 * Starts pg-boss in the background, repeats a start that fails, and stops it. It is `starting` until a start succeeds, then
 * `started`, and from `stop` on `stopped`.
 */
export class Lifecycle {
  readonly #boss: PgBoss
  readonly #onStart: () => Promise<void>
  readonly #logger: JobsLogger | undefined
  #state: 'starting' | 'started' | 'stopped' = 'starting'
  #startError: unknown
  readonly #stopping = new AbortController()
  readonly #firstAttempt = Promise.withResolvers<void>()
  readonly #starting: Promise<void>

  constructor({ boss, onStart, logger }: LifecycleOptions) {
    this.#boss = boss
    this.#onStart = onStart
    this.#logger = logger
    this.#starting = this.#startRepeatedly()
  }

  /**
   * Runs a call on the queue.
   *
   * @throws AppError `JOBS_UNAVAILABLE` when the queue is not started or the database cannot be reached or cannot work now; what the
   *   call throws
   */
  async run<T>(call: () => Promise<T>): Promise<T> {
    // A call right after the start of the process waits for the first attempt. While later attempts run, calls fail at once.
    if (this.#state === 'starting') await settlesWithin(this.#firstAttempt.promise, CALL_TIMEOUT_MS)
    if (!this.#isStarted()) throw jobsUnavailable(this.#startError)
    try {
      return await call()
    } catch (error) {
      throw isUnavailable(error) ? jobsUnavailable(error) : error
    }
  }

  /**
   * Fetches no more jobs and waits for running handlers. After `drainTimeoutMs` pg-boss aborts them, and their jobs are retried.
   *
   * @returns false when pg-boss did not stop in time: the remaining jobs are retried when their heartbeat is missed
   */
  async stop(drainTimeoutMs: number): Promise<boolean> {
    this.#state = 'stopped'
    this.#stopping.abort()
    const stopped = this.#starting
      .then(() => this.#boss.stop({ graceful: true, close: false, timeout: drainTimeoutMs }))
      .catch((error: unknown) => this.#logger?.error({ err: error }, 'the job queue did not stop cleanly'))
    return settlesWithin(stopped, drainTimeoutMs + SETTLE_TIMEOUT_MS)
  }

  // A method, because TypeScript keeps the narrowed type of `#state` across an await.
  #isStarted(): boolean {
    return this.#state === 'started'
  }

  async #startRepeatedly(): Promise<void> {
    for (let attempt = 0; !this.#stopping.signal.aborted; attempt++) {
      const isStarted = await this.#start()
      this.#firstAttempt.resolve()
      if (isStarted) return
      await this.#pause(attempt)
    }
  }

  async #start(): Promise<boolean> {
    try {
      await this.#boss.start()
      await this.#onStart()
      if (this.#state === 'starting') this.#state = 'started'
      // Log the success only after a logged failure.
      if (this.#startError !== undefined) this.#logger?.info({}, 'the job queue has started')
      return true
    } catch (error) {
      // Log each reason once, however often the start is repeated.
      if (reasonOf(error) !== reasonOf(this.#startError))
        this.#logger?.warn({ err: error }, 'jobs cannot start yet; trying again')
      this.#startError = error
      // A start of pg-boss 12.38 that fails halfway leaves its timers running, and the next start would add new ones.
      await this.#boss.stop({ graceful: false, close: false }).catch(() => {})
      return false
    }
  }

  async #pause(attempt: number): Promise<void> {
    const { first, longest } = START_RETRY_MS
    const waitMs = Math.min(longest, first * 2 ** attempt) * (0.5 + Math.random() / 2)
    await delay(waitMs, { signal: this.#stopping.signal }).catch(() => {})
  }
}

function reasonOf(error: unknown): string | undefined {
  return codeOf(error) ?? (error instanceof Error ? error.message : undefined)
}
