import type { Job, JobResult, PgBoss } from 'pg-boss'
import type { Static, TSchema } from 'typebox'
import type { Connection } from './connection.ts'
import type { JobDefinition } from './definition.ts'
import type { JobMetrics, JobOutcome } from './metrics.ts'
import { createProgressReporter } from './progress.ts'
import { createTracing, type TracedJob } from './tracing.ts'

export type JobContext<Data> = {
  id: string
  data: Data
  /** 1 for the first. */
  attempt: number
  /** Aborts when the job was cancelled, ran out of its time, was taken from this worker, or the drain is over. */
  signal: AbortSignal
  /** 0–100, readable through `get`. Written at most twice a second, the latest wins. */
  progress(percent: number): void
}

export type JobHandler<Data extends TSchema = TSchema, Result extends TSchema = TSchema> = (
  job: JobContext<Static<Data>>,
) => Promise<Static<Result>> | Static<Result>

export type WorkOptions = {
  /** Handlers at once in this process. Default 4. */
  concurrency?: number
  /**
   * Jobs that one poller takes and settles together, which saves statements; they also wait for the slowest of them.
   * Default 1; for handlers of a few milliseconds take `concurrency`.
   */
  batchSize?: number
  /** How often an idle worker looks, at least 500. Default 500 × pollers, at most 2000. */
  pollingIntervalMs?: number
}

export type QueueWorker = {
  readonly queue: string
  /** Looks for jobs now instead of at the next poll. */
  wake(): void
}

type WorkerOptions = {
  boss: PgBoss
  connection: Connection
  definition: JobDefinition
  handler: JobHandler
  options: WorkOptions
  /** What `cancel` in this process aborts without waiting for the heartbeat. */
  running: Map<string, AbortController>
  metrics: JobMetrics | undefined
  onError(error: unknown, message: string, of: { jobId: string; attempt: number }): void
  /** Told of each attempt that has ended, still in its trace. */
  onAttempt(attempt: Attempt): void
}

type Attempt = {
  jobId: string
  attempt: number
  outcome: JobOutcome
  ms: number
  /** When its trace is kept. */
  traceId: string | undefined
}

// How soon a cancelled job's handler in another process gets its signal: the heartbeat finds the claim gone.
const HEARTBEAT_REFRESH_SECONDS = 2

/**
 * One poller is one `work()` of pg-boss. Each has an id of its own, because pg-boss lets us wake only by id, and that
 * is what makes polling quick: with a batch of one, pg-boss waits out the interval after every job (2 jobs/s a poller
 * at its shortest interval); a poller that came back full therefore wakes itself and one idle neighbour.
 */
export async function startWorker(context: WorkerOptions): Promise<QueueWorker> {
  const { boss, definition, options } = context
  const concurrency = options.concurrency ?? 4
  const batchSize = Math.min(options.batchSize ?? 1, concurrency)
  const count = Math.max(1, Math.floor(concurrency / batchSize))
  const pollingIntervalMs = options.pollingIntervalMs ?? Math.min(500 * count, 2_000)

  const trace = createTracing(definition.name, context.connection)
  const pollers: { id: string; busy: boolean }[] = []

  function wake(): void {
    const poller = pollers.find(({ busy }) => !busy) ?? pollers[0]
    if (poller) boss.notifyWorker(poller.id)
  }

  for (let index = 0; index < count; index++) {
    const poller = { id: '', busy: false }
    poller.id = await boss.work(
      definition.name,
      {
        batchSize,
        perJobResults: true,
        pollingIntervalSeconds: pollingIntervalMs / 1000,
        heartbeatRefreshSeconds: Math.min(HEARTBEAT_REFRESH_SECONDS, definition.queue.heartbeatSeconds / 2),
      },
      async (jobs: Job<unknown>[]): Promise<JobResult[]> => {
        poller.busy = true
        try {
          if (jobs.length === batchSize) wake()
          const traceOf = await trace?.(jobs)
          return await Promise.all(
            jobs.map((job) => {
              const traced = traceOf?.(job.id)
              const handle = () => runJob(context, job, traced)
              return traced?.run(handle) ?? handle()
            }),
          )
        } finally {
          poller.busy = false
          if (jobs.length === batchSize) boss.notifyWorker(poller.id)
        }
      },
    )
    pollers.push(poller)
  }

  return { queue: definition.name, wake }
}

async function runJob(
  context: WorkerOptions,
  job: Job<unknown>,
  traced: TracedJob | undefined,
): Promise<JobResult> {
  const { connection, definition, handler, running, metrics, onError, onAttempt } = context
  const started = performance.now()
  const attempt = job.retryCount + 1
  const cancelled = new AbortController()
  running.set(job.id, cancelled)
  const progress = createProgressReporter(connection, job, (error) =>
    onError(error, 'progress was not stored', { jobId: job.id, attempt }),
  )

  function finished(outcome: JobOutcome): void {
    const ms = performance.now() - started
    metrics?.finished(definition.name, outcome, ms / 1000)
    onAttempt({ jobId: job.id, attempt, outcome, ms: Math.round(ms * 1000) / 1000, traceId: traced?.traceId })
  }

  try {
    const data = definition.checkData(job.data)
    const value = await handler({
      id: job.id,
      data,
      attempt,
      signal: AbortSignal.any([job.signal, cancelled.signal]),
      progress: progress.report,
    })
    const result = definition.checkResult(value)
    finished('completed')
    return { id: job.id, status: 'completed', output: outputOf(result) }
  } catch (error) {
    if (cancelled.signal.aborted) {
      finished('cancelled')
    } else {
      finished('failed')
      onError(error, 'an attempt of a job failed', { jobId: job.id, attempt })
    }
    return { id: job.id, status: isPermanent(error) ? 'deadletter' : 'failed', output: failureOf(error) }
  } finally {
    progress.stop()
    running.delete(job.id)
  }
}

/** How a result is stored. */
export function outputOf(result: unknown): object {
  return result === undefined ? {} : { result }
}

// What does not fit its schema now will not fit it on the next attempt.
function isPermanent(error: unknown): boolean {
  if (!(error instanceof Error)) return false
  return Reflect.get(error, 'retry') === false || Reflect.get(error, 'code') === 'JOB_DATA_INVALID'
}

/** What of an error may be stored and shown: never its stack, which the log has. */
function failureOf(error: unknown): { message: string; code?: string } {
  if (!(error instanceof Error)) return { message: typeof error === 'string' ? error : 'The job failed.' }
  const code: unknown = Reflect.get(error, 'code')
  const message = error.message || error.name
  return typeof code === 'string' ? { message, code } : { message }
}
