import { MessageChannel } from 'node:worker_threads'
import type { Database, DatabaseOptions } from '@reference/database'
import type { WorkerPool } from '@reference/threads'
import type { ReportFailure, ReportOutcome, ReportTask } from './worker.ts'

/** What a thread may take beyond the report's own deadline to end its statements, before it is killed. */
const END_WITHIN_MS = 10_000

export interface InThreadOptions {
  /** That of the main thread: it is told which statements the report has sent. */
  readonly database: Database
  /** Runs `worker.ts`. */
  readonly workers: WorkerPool
  /** How a thread reaches the database. */
  readonly connect: Omit<DatabaseOptions, 'registry' | 'record'>
  readonly lanes: number
  readonly atOnce: number
}

/**
 * Has a report computed in a worker thread. An abort is told to the thread, which cancels its statements in the server and
 * stays; killing it instead would leave them running, and the next report would wait for a new thread.
 *
 * @returns JSON in UTF-8, when nothing of the report is left running
 */
export async function reportInThread(
  { database, workers, ...means }: InThreadOptions,
  { signal, statementTimeoutMs }: { signal: AbortSignal; statementTimeoutMs: number },
): Promise<Uint8Array<ArrayBuffer>> {
  signal.throwIfAborted()
  const { port1, port2 } = new MessageChannel()
  const tell = () => port1.postMessage('abort')
  signal.addEventListener('abort', tell, { once: true })
  const task: ReportTask = { ...means, statementTimeoutMs, abort: port2 }
  const timeoutMs = statementTimeoutMs + END_WITHIN_MS
  try {
    const outcome = await workers.run<ReportOutcome>(task, { transferList: [port2], timeoutMs })
    database.tell(outcome.statements)
    signal.throwIfAborted()
    if ('failure' in outcome) throw restored(outcome.failure)
    return outcome.json
  } finally {
    signal.removeEventListener('abort', tell)
    port1.close()
  }
}

function restored({ error, ...properties }: ReportFailure): unknown {
  const known = Object.entries(properties).filter(([, value]) => value !== undefined)
  return Object.assign(Object(error), Object.fromEntries(known))
}
