import type { Job, JobResult, PgBoss } from 'pg-boss'
import type { Static, TSchema } from 'typebox'
import type { Query } from './connection.ts'
import type { JobDefinition } from './definition.ts'
import { codeOf, isPermanent } from './errors.ts'
import type { JobMetrics, JobOutcome } from './metrics.ts'
import { createProgressReporter } from './progress.ts'
import { createTracing, type TracedJob } from './tracing.ts'

export interface JobContext<Data> {
  readonly id: string
  readonly data: Data
  /** 1 for the first. */
  readonly attempt: number
  /** Aborts when the job is cancelled, exceeds its time limit or is taken from this worker, and at the end of the drain. */
  readonly signal: AbortSignal
  /** Reports 0–100, which `Jobs.get` returns. Written at most twice a second: the latest value. */
  progress(percent: number): void
}

export type JobHandler<Data extends TSchema = TSchema, Result extends TSchema = TSchema> = (
  job: JobContext<Static<Data>>,
) => Promise<Static<Result>> | Static<Result>

export interface WorkOptions {
  /** How many handlers of this job run at once in this process. Default 4. */
  readonly concurrency?: number
  /**
   * Jobs that one poller fetches and settles together. This saves statements, but each job waits for the slowest of its batch.
   * Default 1; for handlers of a few milliseconds use the value of `concurrency`.
   */
  readonly batchSize?: number
  /** Pause between two polls of an idle poller, at least 500. Default 500 × number of pollers, at most 2000. */
  readonly pollingIntervalMs?: number
}

export interface QueueWorker {
  /** Fetches now instead of at the next poll. */
  wake(): void
}

export interface WorkerOptions {
  readonly boss: PgBoss
  readonly query: Query
  readonly definition: JobDefinition
  readonly handler: JobHandler
  readonly options: WorkOptions
  /** Aborts the handlers that run in this process, by the id of their job, so that `cancel` need not wait for the heartbeat. */
  readonly running: Map<string, AbortController>
  readonly metrics: JobMetrics | undefined
  onError(error: unknown, message: string, subject: { jobId: string; attempt: number }): void
  /** Called at the end of each attempt, inside its trace. */
  onAttempt(attempt: Attempt): void
}

export interface Attempt {
  readonly jobId: string
  readonly attempt: number
  readonly outcome: JobOutcome
  readonly ms: number
  /** Present when the trace is kept. */
  readonly traceId: string | undefined
}

/**
 * A handler whose job another process cancelled is aborted within about this time: by its heartbeat, which finds that the job no
 * longer belongs to this worker.
 */
const HEARTBEAT_REFRESH_SECONDS = 2

const DEFAULT_CONCURRENCY = 4
const SHORTEST_POLL_MS = 500
const LONGEST_POLL_MS = 2_000

interface Poller {
  id: string
  busy: boolean
}

/**
 * Starts the pollers of one job. Each is one `work()` of pg-boss and has its own id, because pg-boss wakes a poller by its id.
 *
 * pg-boss waits for the polling interval after every batch. With a batch of one that is 2 jobs/s a poller at the shortest
 * interval. A full batch suggests that more jobs wait, so the poller first wakes an idle neighbour, and itself after the batch.
 */
export async function startWorker(worker: WorkerOptions): Promise<QueueWorker> {
  const { boss, definition, options } = worker
  const concurrency = options.concurrency ?? DEFAULT_CONCURRENCY
  const batchSize = Math.min(options.batchSize ?? 1, concurrency)
  const count = Math.max(1, Math.floor(concurrency / batchSize))
  const pollingIntervalMs = options.pollingIntervalMs ?? Math.min(SHORTEST_POLL_MS * count, LONGEST_POLL_MS)
  const work = {
    batchSize,
    perJobResults: true,
    pollingIntervalSeconds: pollingIntervalMs / 1000,
    heartbeatRefreshSeconds: Math.min(HEARTBEAT_REFRESH_SECONDS, definition.queue.heartbeatSeconds / 2),
  } as const

  const runBatch = createBatchRunner(worker)
  const pollers: Poller[] = []
  const wake = () => {
    // pg-boss remembers the wake of a busy poller: it then fetches at the end of its batch.
    const poller = pollers.find(({ busy }) => !busy) ?? pollers[0]
    if (poller) boss.notifyWorker(poller.id)
  }
  for (let index = 0; index < count; index++) {
    const poller: Poller = { id: '', busy: false }
    poller.id = await boss.work(definition.name, work, async (jobs: Job<unknown>[]) => {
      const isFull = jobs.length === batchSize
      poller.busy = true
      try {
        if (isFull) wake()
        return await runBatch(jobs)
      } finally {
        poller.busy = false
        if (isFull) boss.notifyWorker(poller.id)
      }
    })
    pollers.push(poller)
  }
  return { wake }
}

/** Runs the handlers of a batch at once, each in the context of its trace if anything is traced. */
function createBatchRunner(worker: WorkerOptions): (jobs: Job<unknown>[]) => Promise<JobResult[]> {
  const trace = createTracing(worker.definition.name, worker.query)
  return async (jobs) => {
    if (trace === undefined) return Promise.all(jobs.map((job) => runJob(worker, job, undefined)))
    const traceOf = await trace(jobs)
    return Promise.all(
      jobs.map((job) => {
        const traced = traceOf(job.id)
        return traced.run(() => runJob(worker, job, traced))
      }),
    )
  }
}

/** Runs one attempt. An error of the handler becomes a result, so that one job does not fail its whole batch. */
async function runJob(
  worker: WorkerOptions,
  job: Job<unknown>,
  traced: TracedJob | undefined,
): Promise<JobResult> {
  const { query, definition, handler, running, metrics, onError, onAttempt } = worker
  const started = performance.now()
  const subject = { jobId: job.id, attempt: job.retryCount + 1 }
  // Aborted by `cancel` in this process, and at the end of a shutdown.
  const aborter = new AbortController()
  running.set(job.id, aborter)
  const progress = createProgressReporter(query, job, (error) =>
    onError(error, 'progress was not stored', subject),
  )

  function finish(outcome: JobOutcome): void {
    const ms = performance.now() - started
    metrics?.finished(definition.name, outcome, ms / 1000)
    onAttempt({ ...subject, outcome, ms: Math.round(ms * 1000) / 1000, traceId: traced?.traceId })
  }

  try {
    const data = definition.checkData(job.data)
    const signal = AbortSignal.any([job.signal, aborter.signal])
    const value = await handler({
      id: job.id,
      data,
      attempt: subject.attempt,
      signal,
      progress: progress.report,
    })
    const result = definition.checkResult(value)
    finish('completed')
    return { id: job.id, status: 'completed', output: outputOf(result) }
  } catch (error) {
    if (aborter.signal.aborted) {
      finish('cancelled')
    } else {
      finish('failed')
      onError(error, 'an attempt of a job failed', subject)
    }
    // Has no effect on a cancelled job: pg-boss settles only an attempt that is still active.
    return { id: job.id, status: isPermanent(error) ? 'deadletter' : 'failed', output: failureOf(error) }
  } finally {
    progress.stop()
    running.delete(job.id)
  }
}

/** The form in which a result is stored: pg-boss stores an object. */
export function outputOf(result: unknown): object {
  return result === undefined ? {} : { result }
}

/** The part of an error that is stored and shown to clients. The stack is only logged. */
function failureOf(error: unknown): { message: string; code?: string } {
  if (!(error instanceof Error)) return { message: typeof error === 'string' ? error : 'The job failed.' }
  const code = codeOf(error)
  const message = error.message || error.name
  return code === undefined ? { message } : { message, code }
}
