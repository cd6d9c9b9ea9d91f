import { abortable } from '@reference/async'
import { PgBoss } from 'pg-boss'
import type { Static, TSchema } from 'typebox'
import { type Connection, createConnection } from './connection.ts'
import { DEAD_LETTER_QUEUE, type JobDefinition } from './definition.ts'
import { type EnqueueOptions, Enqueuer } from './enqueue.ts'
import { isUnavailable, jobsUnavailable } from './errors.ts'
import { type ChangedJob, Inspector, type ListedJob, type ListOptions } from './inspect.ts'
import { Lifecycle } from './lifecycle.ts'
import { createJobMetrics } from './metrics.ts'
import { migrateJobs, SCHEMA } from './migrate.ts'
import type { JobsLogger, JobsOptions } from './options.ts'
import { Queues } from './queues.ts'
import type { JobStatus } from './status.ts'
import { type DeadLetterRef, queueDepths } from './store.ts'
import { isTraced } from './tracing.ts'
import type { JobHandler, WorkOptions } from './worker.ts'
import { Workers } from './workers.ts'

/**
 * While the queue has not started or the database cannot be reached, every call but `work`, `wake`, `migrate` and `close` throws
 * AppError `JOBS_UNAVAILABLE` (503).
 */
export interface Jobs {
  /**
   * Stores a job.
   *
   * @returns its id, a UUID
   * @throws AppError `JOB_DATA_INVALID` (422) when the schema refuses the data
   */
  enqueue<Data extends TSchema, Result extends TSchema>(
    definition: JobDefinition<Data, Result>,
    data: Static<Data>,
    options?: EnqueueOptions,
  ): Promise<string>
  /**
   * Stores a job as completed, with its result, so that no handler runs it. For a caller that did the work itself and reports it
   * in the form of a job.
   *
   * @returns its id
   * @throws AppError `JOB_DATA_INVALID` (422) and `JOB_RESULT_INVALID`
   */
  storeCompleted<Data extends TSchema, Result extends TSchema>(
    definition: JobDefinition<Data, Result>,
    data: Static<Data>,
    result: Static<Result>,
    options?: Pick<EnqueueOptions, 'tx'>,
  ): Promise<string>
  /**
   * Makes the handlers of a job in this process fetch now instead of at the next poll. Call it after the commit of a transaction
   * that enqueued the job; `enqueue` without a transaction wakes them itself.
   */
  wake<Data extends TSchema, Result extends TSchema>(definition: JobDefinition<Data, Result>): void
  /** @returns undefined for an id that is unknown or not a UUID, and for a job that is no longer stored */
  get(id: string): Promise<JobStatus | undefined>
  /**
   * @returns the newest jobs first
   * @throws AppError `QUEUE_UNKNOWN`
   */
  list(options?: ListOptions): Promise<ListedJob[]>
  /**
   * @returns every job that failed for good, of one queue or all, the oldest first
   * @throws AppError `QUEUE_UNKNOWN`
   */
  deadLetters(queue?: string): Promise<DeadLetterRef[]>
  /**
   * Cancels a job that has not ended, and aborts its handler.
   *
   * @returns the job after the call; undefined as for `get`
   */
  cancel(id: string): Promise<ChangedJob | undefined>
  /**
   * Enqueues a failed or cancelled job again under its id, and deletes its dead letter.
   *
   * @param job its id, or an element of `deadLetters`, with which the dead letter is found faster
   * @returns the job after the call; undefined as for `get`
   */
  retry(job: string | DeadLetterRef): Promise<ChangedJob | undefined>
  /**
   * Handles a job in this process, as soon as the queue has started.
   *
   * @throws AppError `JOB_UNKNOWN`
   */
  work<Data extends TSchema, Result extends TSchema>(
    definition: JobDefinition<Data, Result>,
    handler: JobHandler<Data, Result>,
    options?: WorkOptions,
  ): void
  /** Runs `migrateJobs` on the direct connection (`directUrl`), past PgBouncer. */
  migrate(): Promise<void>
  /** Resolves when the queue has started and the database answers. */
  ready(signal?: AbortSignal): Promise<void>
  /** Fetches no more jobs, waits for running handlers for up to `drainTimeoutMs`, and closes the pool. */
  close(): Promise<void>
}

const POOL_MAX = 5
const SUPERVISE_INTERVAL_SECONDS = 10
const DRAIN_TIMEOUT_MS = 20_000

/**
 * Creates a queue of durable jobs in Postgres. It starts in the background and repeats a start that fails. Without a database, or
 * before the migration, the service runs all the same: `ready` fails, and `enqueue` throws `JOBS_UNAVAILABLE` (503).
 */
export function createJobs(options: JobsOptions): Jobs {
  return new JobQueue(options)
}

class JobQueue implements Jobs {
  readonly #options: JobsOptions
  readonly #connection: Connection
  readonly #queues: Queues
  readonly #workers: Workers
  readonly #lifecycle: Lifecycle
  readonly #enqueuer: Enqueuer
  readonly #inspector: Inspector
  #closed: Promise<void> | undefined

  constructor(options: JobsOptions) {
    const { definitions, logger, supervise = true, attemptLog = false } = options
    const connection = openConnection(options)
    const { query } = connection
    const queues = new Queues(definitions, query)
    const boss = createBoss(options, connection)
    const workers = new Workers({
      boss,
      query,
      metrics: createMetrics(options, connection, queues),
      logger,
      attemptLog,
    })
    this.#options = options
    this.#connection = connection
    this.#queues = queues
    this.#workers = workers
    this.#enqueuer = new Enqueuer(boss, connection)
    this.#inspector = new Inspector({ boss, connection, queues, workers })
    this.#lifecycle = new Lifecycle({
      boss,
      logger,
      async onStart() {
        await queues.ensure(boss, logger)
        if (supervise) await queues.ensureSchedules(boss)
        await workers.startAll()
      },
    })
  }

  async enqueue(definition: JobDefinition, data: unknown, options: EnqueueOptions = {}): Promise<string> {
    this.#queues.mustDefine(definition)
    const checked = definition.checkData(data)
    const id = await this.#lifecycle.run(() => this.#enqueuer.enqueue(definition, checked, options))
    if (options.tx === undefined && options.startAfter === undefined) this.#workers.wake(definition.name)
    return id
  }

  async storeCompleted(
    definition: JobDefinition,
    data: unknown,
    result: unknown,
    { tx }: Pick<EnqueueOptions, 'tx'> = {},
  ): Promise<string> {
    this.#queues.mustDefine(definition)
    const checked = definition.checkData(data)
    const output = definition.checkResult(result)
    return this.#lifecycle.run(() => this.#enqueuer.storeCompleted(definition, checked, output, tx))
  }

  wake({ name }: Pick<JobDefinition, 'name'>): void {
    this.#workers.wake(name)
  }

  get(id: string): Promise<JobStatus | undefined> {
    return this.#lifecycle.run(() => this.#inspector.get(id))
  }

  list(options: ListOptions = {}): Promise<ListedJob[]> {
    return this.#lifecycle.run(() => this.#inspector.list(options))
  }

  deadLetters(queue?: string): Promise<DeadLetterRef[]> {
    return this.#lifecycle.run(() => this.#inspector.deadLetters(queue))
  }

  cancel(id: string): Promise<ChangedJob | undefined> {
    return this.#lifecycle.run(() => this.#inspector.cancel(id))
  }

  retry(job: string | DeadLetterRef): Promise<ChangedJob | undefined> {
    return this.#lifecycle.run(() => this.#inspector.retry(job))
  }

  work<Data extends TSchema, Result extends TSchema>(
    definition: JobDefinition<Data, Result>,
    handler: JobHandler<Data, Result>,
    options: WorkOptions = {},
  ): void {
    this.#queues.mustDefine(definition)
    this.#workers.add({ definition, handler: handler as JobHandler, options })
  }

  async migrate(): Promise<void> {
    const { directUrl, databaseUrl } = this.#options
    await migrateJobs({ directUrl: directUrl ?? databaseUrl })
  }

  async ready(signal?: AbortSignal): Promise<void> {
    await this.#lifecycle.run(async () => {
      try {
        await abortable(this.#connection.query('SELECT 1'), signal)
      } catch (error) {
        throw signal?.aborted ? jobsUnavailable(signal.reason) : error
      }
    })
  }

  close(): Promise<void> {
    this.#closed ??= this.#end()
    return this.#closed
  }

  async #end(): Promise<void> {
    const { drainTimeoutMs = DRAIN_TIMEOUT_MS, logger } = this.#options
    if (!(await this.#lifecycle.stop(drainTimeoutMs))) {
      const message =
        'the job queue could not settle its jobs: they are tried again when their heartbeat is missed'
      logger?.error({}, message)
      this.#workers.abortAll('The worker shuts down.')
    }
    await this.#connection.close()
  }
}

function openConnection({ databaseUrl, applicationName, poolMax, prepare, logger }: JobsOptions): Connection {
  return createConnection({
    url: databaseUrl,
    applicationName: `${applicationName}-jobs`,
    max: poolMax ?? POOL_MAX,
    prepare: prepare ?? true,
    onError: (error) => logger?.warn({ err: error }, 'a connection of the job queue was lost'),
  })
}

function createBoss(options: JobsOptions, { db }: Connection): PgBoss {
  const { supervise = true, superviseIntervalSeconds = SUPERVISE_INTERVAL_SECONDS, logger } = options
  const boss = new PgBoss({
    db,
    schema: SCHEMA,
    migrate: false,
    supervise,
    schedule: supervise,
    superviseIntervalSeconds,
    monitorIntervalSeconds: superviseIntervalSeconds,
    // LISTEN does not work through PgBouncer in transaction mode.
    useListenNotify: false,
    registerInstance: false,
    openTelemetry: isTraced() ? { propagateContext: true } : { enabled: false },
  })
  logEvents(boss, logger)
  return boss
}

function logEvents(boss: PgBoss, logger: JobsLogger | undefined): void {
  boss.on('error', (error) => {
    // pg-boss passes a copy of the properties, which is no Error.
    if (isUnavailable(Object.assign(new Error(error.message), error)))
      logger?.warn({ err: error }, 'the job queue cannot use its database now')
    else logger?.error({ err: error }, 'the job queue reported an error')
  })
  boss.on('warning', (warning) => logger?.warn({ warning }, 'the job queue reported a warning'))
}

function createMetrics({ registry }: JobsOptions, { query }: Connection, queues: Queues) {
  if (registry === undefined) return undefined
  return createJobMetrics(registry, queues.defined, async () =>
    queueDepths(query, [...(await queues.names()), DEAD_LETTER_QUEUE]),
  )
}
