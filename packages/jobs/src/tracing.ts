import { channel } from 'node:diagnostics_channel'
import type { Connection } from './connection.ts'
import { SCHEMA } from './migrate.ts'

/** What a subscriber to `reference:jobs.run` is told when a handler is about to run. It sets `run` to do so in its context. */
export interface TracedJob {
  readonly queue: string
  readonly id: string
  readonly attempt: number
  /** What was stored with the job when it was enqueued in a trace: W3C headers. */
  readonly carrier: Readonly<Record<string, string>> | undefined
  /** Of a trace that is kept, set once it runs: its attempt has a line in the log. */
  traceId?: string
  run<T>(handle: () => Promise<T>): Promise<T>
}

/** Somebody listened when the queue was made: pg-boss is to make spans, and to store the trace with each job. */
export function isTraced(): boolean {
  return channel('reference:jobs.run').hasSubscribers
}

export type TraceJobs = (
  jobs: readonly { id: string; retryCount: number }[],
) => Promise<(id: string) => TracedJob | undefined>

const CARRIERS = `
  SELECT id, trace_context AS carrier FROM ${SCHEMA}.job WHERE name = $1 AND id = ANY($2::uuid[])`

/**
 * pg-boss continues the trace of a job that it hands over alone; of jobs that it hands over together it only keeps links.
 * Here each gets its own trace back, at the cost of one statement a batch, and only while somebody traces.
 */
export function createTracing(queue: string, connection: Connection): TraceJobs | undefined {
  if (!isTraced()) return undefined
  const runs = channel('reference:jobs.run')
  return async (jobs) => {
    const { rows } = await connection
      .query(CARRIERS, [queue, jobs.map(({ id }) => id)])
      .catch(() => ({ rows: [] }))
    const carriers = new Map(rows.map((row) => [row.id, row.carrier]))
    const attempts = new Map(jobs.map(({ id, retryCount }) => [id, retryCount + 1]))
    return (id) => {
      const carrier = (carriers.get(id) ?? undefined) as TracedJob['carrier']
      const job: TracedJob = {
        queue,
        id,
        attempt: attempts.get(id) ?? 1,
        carrier,
        run: (handle) => handle(),
      }
      runs.publish(job)
      return job
    }
  }
}
