import { createHash } from 'node:crypto'
import { setTimeout as delay } from 'node:timers/promises'
import { sql } from 'drizzle-orm'
import { type Db, type DrizzleTransactionLike, fromDrizzle, PgBoss, type SendOptions } from 'pg-boss'
import type { Registry } from 'prom-client'
import type { Static, TSchema } from 'typebox'
import { CALL_TIMEOUT_MS, createConnection } from './connection.ts'
import { DEAD_LETTER_QUEUE, type JobDefinition } from './definition.ts'
import {
  isConnectionFault,
  isUnstorableJson,
  JobDataError,
  JobsUnavailableError,
  JobUnknownError,
  QueueUnknownError,
} from './errors.ts'
import { createJobMetrics } from './metrics.ts'
import { migrateJobs, SCHEMA } from './migrate.ts'
import { type JobRow, type JobState, type JobStatus, statusOf, storedState } from './status.ts'
import {
  type DeadLetter,
  type DeadLetterRef,
  deadLetterRefs,
  FORGET_DEAD_LETTER,
  findDeadLetter,
  findJob,
  isJobId,
  listDeadLetters,
  listJobs,
  queueDepths,
  queueNames,
} from './store.ts'
import { isTraced } from './tracing.ts'
import { type JobHandler, outputOf, type QueueWorker, startWorker, type WorkOptions } from './worker.ts'

export type JobsLogger = {
  info(details: object, message: string): void
  warn(details: object, message: string): void
  error(details: object, message: string): void
}

export type JobsOptions = {
  /** May lead through PgBouncer in transaction mode. */
  databaseUrl: string
  /** Past PgBouncer, for `migrate`; default `databaseUrl`. */
  directUrl?: string
  applicationName: string
  /** Every job that this process enqueues, works on or is asked about; none: all that the database knows. */
  definitions: readonly JobDefinition[]
  /** Connections of the queue's own pool. Default 5. */
  poolMax?: number
  /** Whether the statement that adds a job is prepared in the server: twice as fast. Off for PgBouncer below 1.21. Default true. */
  prepare?: boolean
  /** How often dead workers are looked for. Default 10; pg-boss's own default of 60 is too slow for the promise of 60 s. */
  superviseIntervalSeconds?: number
  /** Whether this process looks for dead workers, enqueues cron jobs and deletes what is past its time. Default true. */
  supervise?: boolean
  /** How long `close` waits for running handlers; they are then aborted and their jobs tried again. Default 20,000. */
  drainTimeoutMs?: number
  registry?: Registry
  logger?: JobsLogger
  /** A line for each attempt that has ended. Without it for failures, and for those whose trace is kept. Default false. */
  attemptLog?: boolean
}

export type EnqueueOptions = {
  /** A transaction of the database package (anything with Drizzle's transaction): the job is there if it commits. */
  tx?: { readonly drizzle: DrizzleTransactionLike }
  /** A UUID; enqueueing it again adds nothing. */
  id?: string
  /** Any text; the same key of the same job adds nothing, and gives the same id, as long as the job is kept. */
  key?: string
  /** Higher runs first. Default 0. */
  priority?: number
  /** A time, or seconds from now. */
  startAfter?: Date | number
}

export type ListOptions = {
  queue?: string
  state?: JobState
  /** Default 50. */
  limit?: number
  /** The dead letters instead: jobs that failed for good, kept for 30 days even when the job itself is no longer. */
  deadLetters?: boolean
}

export type ListedJob = JobStatus & { queue: string; createdAt: Date }

/** What became of a job, and whether this call did it: one that has ended cannot be cancelled, nor a waiting one sent again. */
export type ChangedJob = JobStatus & { changed: boolean }

export type Jobs = {
  /** Stores a job and gives its id (a UUID). Throws JobDataError (422), JobsUnavailableError (503). */
  enqueue<Data extends TSchema, Result extends TSchema>(
    definition: JobDefinition<Data, Result>,
    data: Static<Data>,
    options?: EnqueueOptions,
  ): Promise<string>
  /**
   * Stores a job that its caller has done already, completed and with its result: no handler ever sees it. For a caller
   * that must tell of its work as if a job had done it. Throws as `enqueue` does, and JobResultError.
   */
  storeCompleted<Data extends TSchema, Result extends TSchema>(
    definition: JobDefinition<Data, Result>,
    data: Static<Data>,
    result: Static<Result>,
    options?: Pick<EnqueueOptions, 'tx'>,
  ): Promise<string>
  /** Handlers look for jobs now: for after the commit of a transaction that enqueued, instead of at the next poll. */
  wake<Data extends TSchema, Result extends TSchema>(definition: JobDefinition<Data, Result>): void
  /** Undefined for an id that is unknown, not a UUID, or of a job that is no longer kept. */
  get(id: string): Promise<JobStatus | undefined>
  /** Newest first. Throws QueueUnknownError. */
  list(options?: ListOptions): Promise<ListedJob[]>
  /** The jobs that failed for good, of one queue or all, oldest first: however many there are. Throws QueueUnknownError. */
  deadLetters(queue?: string): Promise<DeadLetterRef[]>
  /** Cancels what is not finished yet and gives what became of it; an active handler gets its signal. */
  cancel(id: string): Promise<ChangedJob | undefined>
  /** Sends a failed or cancelled job again under its id, and forgets its dead letter. One of `deadLetters` is found at once. */
  retry(job: string | DeadLetterRef): Promise<ChangedJob | undefined>
  /** Works on a job in this process, from now or from when the database is there. */
  work<Data extends TSchema, Result extends TSchema>(
    definition: JobDefinition<Data, Result>,
    handler: JobHandler<Data, Result>,
    options?: WorkOptions,
  ): void
  /** `migrateJobs` on the direct connection. */
  migrate(): Promise<void>
  /** Throws JobsUnavailableError unless jobs are started and the database answers. */
  ready(signal?: AbortSignal): Promise<void>
  /** Takes no more jobs, waits for running handlers, closes the pool. */
  close(): Promise<void>
}

const SETTLE_TIMEOUT_MS = 1_000

// Not to many seconds, as is usual: a try costs one connection, and until one succeeds the service is ready (its
// database answers) and refuses jobs.
const START_RETRY_MS = { first: 100, longest: 500 }

type Registration = { definition: JobDefinition; handler: JobHandler; options: WorkOptions }

/**
 * Durable jobs in Postgres. Starts by itself in the background and keeps trying: without a database (or before its
 * migration) the service runs, `ready` fails and `enqueue` says 503.
 */
export function createJobs(options: JobsOptions): Jobs {
  const { definitions, applicationName, logger, supervise = true, drainTimeoutMs = 20_000 } = options
  const { attemptLog = false } = options
  const superviseIntervalSeconds = options.superviseIntervalSeconds ?? 10
  const registered = new Map(definitions.map((definition) => [definition.name, definition]))
  if (registered.size !== definitions.length) throw new TypeError('Two definitions have the same name.')

  const connection = createConnection({
    url: options.databaseUrl,
    applicationName: `${applicationName}-jobs`,
    max: options.poolMax ?? 5,
    prepare: options.prepare ?? true,
    onError: (error) => logger?.warn({ err: error }, 'a connection of the job queue was lost'),
  })
  const { query } = connection
  const boss = new PgBoss({
    db: connection.db,
    schema: SCHEMA,
    migrate: false,
    supervise,
    schedule: supervise,
    superviseIntervalSeconds,
    monitorIntervalSeconds: superviseIntervalSeconds,
    // PgBouncer's transaction mode drops LISTEN.
    useListenNotify: false,
    registerInstance: false,
    openTelemetry: isTraced() ? { propagateContext: true } : { enabled: false },
  })
  boss.on('error', (error) => logger?.error({ err: error }, 'the job queue met an error'))
  boss.on('warning', (warning) => logger?.warn({ warning }, 'the job queue warns'))

  const metrics =
    options.registry &&
    createJobMetrics(options.registry, [...registered.keys()], async () =>
      queueDepths(query, [...(await queues()), DEAD_LETTER_QUEUE]),
    )
  const running = new Map<string, AbortController>()
  const registrations: Registration[] = []
  const workers = new Map<string, QueueWorker>()
  const closing = new AbortController()
  let started = false
  let startFault: unknown
  let attemptedOnce: () => void = () => {}
  const firstAttempt = new Promise<void>((resolve) => {
    attemptedOnce = resolve
  })
  const starting = startInBackground()
  let closed: Promise<void> | undefined

  async function startInBackground(): Promise<void> {
    for (let attempt = 0; !closing.signal.aborted; attempt++) {
      try {
        await boss.start()
        await ensureQueues(boss, definitions, logger)
        if (supervise) await ensureSchedules(boss, definitions)
        started = true
        if (startFault !== undefined) logger?.info({}, 'the job queue has started')
        for (const registration of registrations) await startRegistration(registration)
        attemptedOnce()
        return
      } catch (error) {
        // One line for each reason, however often it is tried.
        if (reasonOf(error) !== reasonOf(startFault))
          logger?.warn({ err: error }, 'jobs cannot start yet; trying again')
        startFault = error
        // pg-boss 12.38 leaves the timers of a start that failed half-way, and the next one makes new ones.
        await boss.stop({ graceful: false, close: false }).catch(() => {})
        attemptedOnce()
        const { first, longest } = START_RETRY_MS
        const waitMs = Math.min(longest, first * 2 ** attempt) * (0.5 + Math.random() / 2)
        await delay(waitMs, undefined, { signal: closing.signal }).catch(() => {})
      }
    }
  }

  async function startRegistration({
    definition,
    handler,
    options: workOptions,
  }: Registration): Promise<void> {
    const worker = await startWorker({
      boss,
      connection,
      definition,
      handler,
      options: workOptions,
      running,
      metrics,
      onError: (error, message, of) => logger?.error({ err: error, job: definition.name, ...of }, message),
      onAttempt({ traceId, ...attempt }) {
        // The logger adds the trace's id by itself.
        if (attemptLog || traceId !== undefined) logger?.info({ job: definition.name, ...attempt }, 'job')
      },
    })
    workers.set(definition.name, worker)
  }

  async function available(): Promise<void> {
    // In the first moments of a process the first try to start is worth its wait; later ones are not.
    if (!started) await Promise.race([firstAttempt, delay(CALL_TIMEOUT_MS, undefined, { ref: false })])
    if (!started || closing.signal.aborted) throw new JobsUnavailableError(startFault)
  }

  async function guarded<T>(work: () => Promise<T>): Promise<T> {
    await available()
    try {
      return await work()
    } catch (error) {
      if (isConnectionFault(error)) throw new JobsUnavailableError(error)
      throw error
    }
  }

  async function queues(): Promise<string[]> {
    return definitions.length > 0 ? [...registered.keys()] : queueNames(query)
  }

  /** One queue, which must be there, or all. */
  async function queuesOf(queue: string | undefined): Promise<string[]> {
    const known = await queues()
    if (queue === undefined) return known
    if (!known.includes(queue)) throw new QueueUnknownError(queue, known)
    return [queue]
  }

  async function find(id: string) {
    return isJobId(id) ? findJob(query, await queues(), id) : undefined
  }

  async function enqueue(
    definition: JobDefinition,
    data: unknown,
    { tx, id, key, priority, startAfter }: EnqueueOptions = {},
  ): Promise<string> {
    const { name } = definition
    const checked = checkedData(definition, data)
    if (id !== undefined && !isJobId(id))
      throw new JobDataError(name, [{ field: 'id', message: 'must be a UUID' }])
    const jobId = id ?? (key === undefined ? undefined : idOfKey(name, key))

    const send: SendOptions = { db: tx ? inTransaction(tx) : connection.calls }
    if (jobId !== undefined) send.id = jobId
    if (priority !== undefined) send.priority = priority
    if (startAfter !== undefined) send.startAfter = startAfter

    const sent = await storing(name, () => boss.send(name, checked, send))
    if (!tx && startAfter === undefined) workers.get(name)?.wake()
    // Null: the id was there already.
    const stored = sent ?? jobId
    if (stored === undefined) throw new Error(`Job ${name} was not stored.`)
    return stored
  }

  async function storeCompleted(
    definition: JobDefinition,
    data: unknown,
    result: unknown,
    { tx }: Pick<EnqueueOptions, 'tx'> = {},
  ): Promise<string> {
    const { name } = definition
    const checked = checkedData(definition, data)
    const output = outputOf(definition.checkResult(result))
    // One transaction, so that no handler finds the job between its two statements.
    const store = async (db: Db) => {
      const id = await boss.send(name, checked, { db })
      if (id === null) throw new Error(`Job ${name} was not stored.`)
      await boss.complete(name, id, output, { db, includeQueued: true })
      return id
    }
    return storing(name, () => (tx ? store(inTransaction(tx)) : connection.transaction(store)))
  }

  function checkedData(definition: JobDefinition, data: unknown): object {
    if (!registered.has(definition.name)) throw new JobUnknownError(definition.name)
    return definition.checkData(data)
  }

  async function storing<T>(job: string, store: () => Promise<T>): Promise<T> {
    try {
      return await guarded(store)
    } catch (error) {
      if (!isUnstorableJson(error)) throw error
      const fault = { field: '', message: 'must not hold U+0000 or half of a surrogate pair' }
      throw new JobDataError(job, [fault], error)
    }
  }

  async function cancel(id: string): Promise<ChangedJob | undefined> {
    return guarded(async () => {
      const row = await find(id)
      if (!row) return undefined
      await boss.cancel(row.name, id, { db: connection.calls })
      const after = await find(id)
      if (after?.state === 'cancelled') {
        running.get(id)?.abort(new DOMException('The job was cancelled.', 'AbortError'))
      }
      return (
        after && { ...statusOf(after), changed: after.state === 'cancelled' && row.state !== 'cancelled' }
      )
    })
  }

  async function retry(job: string | DeadLetterRef): Promise<ChangedJob | undefined> {
    const ref: { id: string; letterId?: string } = typeof job === 'string' ? { id: job } : job
    const { id, letterId = null } = ref
    if (!isJobId(id)) return undefined
    return guarded(async () => {
      const row = (await find(id)) ?? (await findDeadLetter(query, await queues(), ref))
      if (!row) return undefined
      const changed = await connection.transaction(async (db: Db) => {
        const sent = await sendAgain(row, id, db)
        if (sent) await db.executeSql(FORGET_DEAD_LETTER, [id, letterId])
        return sent
      })
      if (changed) workers.get(row.name)?.wake()
      const after = await find(id)
      return after && { ...statusOf(after), changed }
    })
  }

  async function sendAgain(row: JobRow | DeadLetter, id: string, db: Db): Promise<boolean> {
    // A dead letter that has outlived its job comes back under the job's id.
    if ('data' in row) await boss.send(row.name, row.data, { id, db })
    else if (row.state === 'cancelled') await boss.resume(row.name, id, { db })
    else if (row.state === 'failed') await boss.retry(row.name, id, { db })
    else return false
    return true
  }

  async function list(listOptions: ListOptions = {}): Promise<ListedJob[]> {
    const { queue, state, limit = 50, deadLetters = false } = listOptions
    return guarded(async () => {
      const names = await queuesOf(queue)
      const rows = deadLetters
        ? await listDeadLetters(query, names, limit)
        : await listJobs(query, names, state && storedState(state), limit)
      return rows.map((row) => ({ ...statusOf(row), queue: row.name, createdAt: row.createdAt }))
    })
  }

  async function ready(signal?: AbortSignal): Promise<void> {
    await guarded(async () => {
      const answer = query('SELECT 1')
      if (!signal) return answer
      signal.throwIfAborted()
      const { promise, reject } = Promise.withResolvers<never>()
      const onAbort = () => reject(new JobsUnavailableError(signal.reason))
      signal.addEventListener('abort', onAbort, { once: true })
      return Promise.race([answer, promise]).finally(() => signal.removeEventListener('abort', onAbort))
    })
  }

  async function close(): Promise<void> {
    closing.abort()
    const stopped = starting
      .then(() => boss.stop({ graceful: true, close: false, timeout: drainTimeoutMs }))
      .catch((error: unknown) => logger?.error({ err: error }, 'the job queue did not stop cleanly'))
    // What the drain left is failed by statements, which a server that does not answer would hold up.
    const limit = new AbortController()
    const late = delay(drainTimeoutMs + SETTLE_TIMEOUT_MS, true, { signal: limit.signal }).catch(() => false)
    if (await Promise.race([stopped.then(() => false), late])) {
      logger?.error(
        {},
        'the job queue could not settle its jobs: they are tried again once their heartbeat is missed',
      )
      for (const handler of running.values())
        handler.abort(new DOMException('The worker shuts down.', 'AbortError'))
    }
    limit.abort()
    await connection.close()
  }

  return {
    enqueue,
    storeCompleted,
    wake: (definition) => workers.get(definition.name)?.wake(),
    get: (id) =>
      guarded(async () => {
        const row = await find(id)
        return row && statusOf(row)
      }),
    list,
    deadLetters: (queue) => guarded(async () => deadLetterRefs(query, await queuesOf(queue))),
    cancel,
    retry,
    work: (definition, handler, workOptions = {}) => {
      if (!registered.has(definition.name)) throw new JobUnknownError(definition.name)
      const registration = {
        definition: definition,
        handler: handler as JobHandler,
        options: workOptions,
      }
      registrations.push(registration)
      if (started) {
        startRegistration(registration).catch((error: unknown) =>
          logger?.error({ err: error, job: definition.name }, 'a worker could not start'),
        )
      }
    },
    migrate: () => migrateJobs({ directUrl: options.directUrl ?? options.databaseUrl }),
    ready,
    close: () => {
      closed ??= close()
      return closed
    },
  }
}

function reasonOf(error: unknown): string | undefined {
  if (!(error instanceof Error)) return undefined
  const code: unknown = Reflect.get(error, 'code')
  return typeof code === 'string' ? code : error.message
}

function inTransaction(tx: NonNullable<EnqueueOptions['tx']>): Db {
  return fromDrizzle(tx.drizzle, sql)
}

async function ensureQueues(
  boss: PgBoss,
  definitions: readonly JobDefinition[],
  logger: JobsLogger | undefined,
): Promise<void> {
  const existing = new Map((await boss.getQueues()).map((queue) => [queue.name, queue]))
  if (!existing.has(DEAD_LETTER_QUEUE)) {
    await boss.createQueue(DEAD_LETTER_QUEUE, {
      retentionSeconds: 30 * 86_400,
      deleteAfterSeconds: 7 * 86_400,
    })
  }
  for (const { name, queue } of definitions) {
    const before = existing.get(name)
    if (!before) {
      await boss.createQueue(name, queue)
      continue
    }
    const { policy, deadLetter, ...settings } = queue
    if (before.policy !== policy) {
      logger?.warn(
        { job: name, stored: before.policy, defined: policy },
        'a queue keeps the policy it was made with',
      )
    }
    const differs = Object.entries({ ...settings, deadLetter: deadLetter ?? null }).some(
      ([setting, value]) => (Reflect.get(before, setting) ?? null) !== value,
    )
    if (differs) await boss.updateQueue(name, { ...settings, deadLetter: deadLetter ?? null })
  }
}

async function ensureSchedules(boss: PgBoss, definitions: readonly JobDefinition[]): Promise<void> {
  for (const { name, cron } of definitions) {
    if (cron) await boss.schedule(name, cron.expression, cron.data, { tz: cron.timezone })
    else await boss.unschedule(name)
  }
}

// A UUID of version 8 (RFC 9562: our own making) from the queue and the key.
function idOfKey(queue: string, key: string): string {
  const hex = createHash('sha256').update(`${queue}\0${key}`).digest('hex')
  const variant = ((Number.parseInt(hex.charAt(16), 16) & 0x3) | 0x8).toString(16)
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-8${hex.slice(13, 16)}-${variant}${hex.slice(17, 20)}-${hex.slice(20, 32)}`
}
