import { channel } from 'node:diagnostics_channel'
import type { Query } from './connection.ts'
import { SCHEMA } from './migrate.ts'

/**
 * What a subscriber to the diagnostics channel `reference:jobs.run` receives before a handler runs. It replaces `run` to run
 * the handler in the context of a trace.
 */
export interface TracedJob {
  readonly queue: string
  readonly id: string
  readonly attempt: number
  /** W3C headers of the trace in which the job was enqueued. */
  readonly carrier: Readonly<Record<string, string>> | undefined
  /** Set by `run` when the trace is kept: the attempt is then logged. */
  traceId?: string
  run<T>(handle: () => Promise<T>): Promise<T>
}

/** Whether pg-boss must make spans and store the trace with each job: the channel has a subscriber when the queue is made. */
export function isTraced(): boolean {
  return channel('reference:jobs.run').hasSubscribers
}

/** Publishes the jobs of a batch, one by one. */
export type TraceJobs = (
  jobs: readonly { readonly id: string; readonly retryCount: number }[],
) => Promise<(id: string) => TracedJob>

const CARRIERS = `
  SELECT id, trace_context AS carrier FROM ${SCHEMA}.job WHERE name = $1 AND id = ANY($2::uuid[])`

/**
 * pg-boss continues the trace of a job that it fetches alone; of jobs that it fetches together it keeps only links. This
 * restores the trace of each job, with one statement a batch.
 *
 * @returns undefined when nothing is traced
 */
export function createTracing(queue: string, query: Query): TraceJobs | undefined {
  if (!isTraced()) return undefined
  const runs = channel('reference:jobs.run')
  return async (jobs) => {
    const carriers = await readCarriers(query, queue, jobs)
    const attempts = new Map(jobs.map(({ id, retryCount }) => [id, retryCount + 1]))
    return (id) => {
      const job: TracedJob = {
        queue,
        id,
        attempt: attempts.get(id) ?? 1,
        carrier: carriers.get(id),
        run: (handle) => handle(),
      }
      runs.publish(job)
      return job
    }
  }
}

/** None when they cannot be read: a job must not fail because it cannot be traced. */
async function readCarriers(
  query: Query,
  queue: string,
  jobs: readonly { readonly id: string }[],
): Promise<Map<unknown, TracedJob['carrier']>> {
  const ids = jobs.map(({ id }) => id)
  const { rows } = await query(CARRIERS, [queue, ids]).catch(() => ({ rows: [] }))
  return new Map(rows.map(({ id, carrier }) => [id, (carrier ?? undefined) as TracedJob['carrier']]))
}
