import type { MessagePort } from 'node:worker_threads'
import {
  createDatabase,
  type Database,
  type DatabaseOptions,
  type StatementRecord,
} from '@reference/database'
import { computeReport } from './compute.ts'

/** What the main thread sends: a few words. Nothing of the orders ever passes it. */
export interface ReportTask {
  readonly connect: Omit<DatabaseOptions, 'registry' | 'record'>
  readonly lanes: number
  readonly atOnce: number
  readonly statementTimeoutMs: number
  /** Any message on it means that nobody waits for the report any more. */
  readonly abort: MessagePort
}

/** Of an error only name, message and stack pass from thread to thread; what makes a reply of it goes beside it. */
export interface ReportFailure {
  readonly error: unknown
  readonly code: unknown
  readonly statusCode: unknown
  readonly retryAfterSeconds: unknown
}

export type ReportOutcome = (
  | { readonly json: Uint8Array<ArrayBuffer> }
  | { readonly failure: ReportFailure }
) & {
  /** What was sent to the database: this thread has no metrics and no tracer, the main thread has. */
  readonly statements: readonly StatementRecord[]
}

/** What 50 million orders take, in parts of 50,000; what comes above is neither counted nor traced. */
const MAX_RECORDS = 1_000

// Of this thread, from its first report on; the tasks of one pool all name the same database.
let database: Database | undefined
let statements: StatementRecord[] = []
const record = (statement: StatementRecord) => {
  if (statements.length < MAX_RECORDS) statements.push(statement)
}

/** The whole of `/report`, in a worker thread: connections of its own, its own garbage, the sums and the JSON. */
export default async function report(task: ReportTask): Promise<ReportOutcome> {
  const { connect, abort, ...limits } = task
  const controller = new AbortController()
  abort.on('message', () => controller.abort())
  database ??= createDatabase({ ...connect, record })
  statements = []
  try {
    const { signal } = controller
    const json = await computeReport({ ...limits, database, engine: 'workers', signal })
    return { json, statements }
  } catch (error) {
    const { code, statusCode, retryAfterSeconds } = Object(error)
    return { failure: { error, code, statusCode, retryAfterSeconds }, statements }
  } finally {
    abort.close()
  }
}
