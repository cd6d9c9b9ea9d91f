import type { MessagePort } from 'node:worker_threads'
import {
  createDatabase,
  type Database,
  type DatabaseOptions,
  type StatementRecord,
} from '@reference/database'
import { computeReport } from './compute.ts'

/** The message of the main thread. The orders never pass the main thread. */
export interface ReportTask {
  readonly connect: Omit<DatabaseOptions, 'registry' | 'record'>
  readonly lanes: number
  readonly maxStatements: number
  readonly statementTimeoutMs: number
  /** Any message on this port aborts the report. */
  readonly abort: MessagePort
}

/** Only name, message and stack of an error pass between threads; the properties that HTTP needs are sent beside it. */
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
  /** The statements that were sent to the database, for the metrics and traces of the main thread. */
  readonly statements: readonly StatementRecord[]
}

/** As many as 50 million orders take in chunks of 50,000; further statements are neither counted nor traced. */
const MAX_RECORDS = 1_000

// Opened by the first report of this thread and kept: all tasks of a pool name the same database.
let database: Database | undefined
let statements: StatementRecord[] = []
const record = (statement: StatementRecord) => {
  if (statements.length < MAX_RECORDS) statements.push(statement)
}

/** Computes a whole report in a worker thread, which has its own database connections and its own heap. */
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
