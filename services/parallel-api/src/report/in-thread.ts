import { MessageChannel } from 'node:worker_threads'
import type { Database, DatabaseOptions } from '@reference/database'
import type { WorkerPool } from '@reference/threads'
import type { ReportFailure, ReportOutcome, ReportTask } from './worker.ts'

/** The time that a thread has beyond the report's deadline to cancel its statements, before it is terminated. */
const END_WITHIN_MS = 10_000

export interface InThreadOptions {
  /** The main thread's: it records the statements that the report has sent. */
  readonly database: Database
  /** Runs `worker.ts`. */
  readonly workers: WorkerPool
  /** The thread opens a database with these options. */
  readonly connect: Omit<DatabaseOptions, 'registry' | 'record'>
  readonly lanes: number
  readonly maxStatements: number
}

/**
 * Computes a report in a worker thread. An abort is sent to the thread, which cancels its statements in the server and stays.
 * Terminating the thread instead would leave the statements running, and the next report would wait for a new thread.
 *
 * @returns JSON in UTF-8, after every statement of the report has ended
 * @throws the signal's reason when it aborts; the error of the thread, with its code, status and retry time
 */
export async function reportInThread(
  { database, workers, ...means }: InThreadOptions,
  { signal, statementTimeoutMs }: { signal: AbortSignal; statementTimeoutMs: number },
): Promise<Uint8Array<ArrayBuffer>> {
  signal.throwIfAborted()
  const { port1, port2 } = new MessageChannel()
  const sendAbort = () => port1.postMessage('abort')
  signal.addEventListener('abort', sendAbort, { once: true })
  const task: ReportTask = { ...means, statementTimeoutMs, abort: port2 }
  const timeoutMs = statementTimeoutMs + END_WITHIN_MS
  try {
    const outcome = await workers.run<ReportOutcome>(task, { transferList: [port2], timeoutMs })
    database.reportStatements(outcome.statements)
    signal.throwIfAborted()
    if ('failure' in outcome) throw restored(outcome.failure)
    return outcome.json
  } finally {
    signal.removeEventListener('abort', sendAbort)
    port1.close()
  }
}

/** The error with the properties that it lost on the way between threads. */
function restored({ error, ...properties }: ReportFailure): unknown {
  const known = Object.entries(properties).filter(([, value]) => value !== undefined)
  return Object.assign(Object(error), Object.fromEntries(known))
}
