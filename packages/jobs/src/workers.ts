import type { PgBoss } from 'pg-boss'
import type { Query } from './connection.ts'
import type { JobDefinition } from './definition.ts'
import type { JobMetrics } from './metrics.ts'
import type { JobsLogger } from './options.ts'
import { type Attempt, type JobHandler, type QueueWorker, startWorker, type WorkOptions } from './worker.ts'

export interface WorkersOptions {
  readonly boss: PgBoss
  readonly query: Query
  readonly metrics: JobMetrics | undefined
  readonly logger: JobsLogger | undefined
  /** Log every attempt, and not only the attempts whose trace is kept. */
  readonly attemptLog: boolean
}

interface Registration {
  readonly definition: JobDefinition
  readonly handler: JobHandler
  readonly options: WorkOptions
}

/** The handlers of this process. A handler may be added before the queue has started, and runs once it has started. */
export class Workers {
  readonly #options: WorkersOptions
  readonly #registrations: Registration[] = []
  readonly #workers = new Map<string, QueueWorker>()
  /** Aborts the handlers that run now, by the id of their job. */
  readonly #running = new Map<string, AbortController>()
  #state: 'waiting' | 'started' = 'waiting'

  constructor(options: WorkersOptions) {
    this.#options = options
  }

  add(registration: Registration): void {
    this.#registrations.push(registration)
    if (this.#state === 'waiting') return
    this.#start(registration).catch((error: unknown) => {
      const { logger } = this.#options
      logger?.error({ err: error, job: registration.definition.name }, 'a worker could not start')
    })
  }

  /** Starts every handler, also one that is added meanwhile. Called again when a start of the queue failed halfway. */
  async startAll(): Promise<void> {
    for (const registration of this.#registrations) await this.#start(registration)
    this.#state = 'started'
  }

  /** Makes the handlers of a job fetch now instead of at the next poll. */
  wake(job: string): void {
    this.#workers.get(job)?.wake()
  }

  /** Aborts the handler of a job, if it runs in this process. */
  abort(jobId: string, reason: string): void {
    this.#running.get(jobId)?.abort(new DOMException(reason, 'AbortError'))
  }

  abortAll(reason: string): void {
    for (const jobId of this.#running.keys()) this.abort(jobId, reason)
  }

  async #start({ definition, handler, options }: Registration): Promise<void> {
    const { boss, query, metrics, logger } = this.#options
    const job = definition.name
    const worker = await startWorker({
      boss,
      query,
      definition,
      handler,
      options,
      running: this.#running,
      metrics,
      onError: (error, message, subject) => logger?.error({ err: error, job, ...subject }, message),
      onAttempt: (attempt) => this.#logAttempt(job, attempt),
    })
    this.#workers.set(job, worker)
  }

  /** Without `traceId`: the logger adds the id of the active trace itself. */
  #logAttempt(job: string, { traceId, ...attempt }: Attempt): void {
    const { logger, attemptLog } = this.#options
    if (attemptLog || traceId !== undefined) logger?.info({ job, ...attempt }, 'job')
  }
}
