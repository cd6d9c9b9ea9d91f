import { availableParallelism } from 'node:os'
import { createAbortScope, createSerialSingleFlight } from '@reference/async'
import { type Database, type DatabaseOptions, queries } from '@reference/database'
import type { WorkerPool } from '@reference/threads'
import { computeReport } from './compute.ts'
import { reportInThread } from './in-thread.ts'
import { writeRows } from './write.ts'

/** Who adds up: the worker threads, the main thread (`WORKER_THREADS=0`), or Postgres. */
export type Engine = 'workers' | 'main' | 'sql'

export interface Reports {
  /** What computes unless the caller says otherwise. */
  readonly engine: 'workers' | 'main'
  /**
   * Orders and revenue of all orders by category and day, as of one moment after the call.
   *
   * @returns the reply: JSON in UTF-8, written once for all who share the report
   * @throws DeadlineError past `timeoutMs`; the signal's reason when the caller aborted
   */
  run(engine: Engine, signal: AbortSignal): Promise<Buffer>
}

export interface ReportsOptions {
  readonly database: Database
  /** Runs `worker.ts`. */
  readonly workers: WorkerPool
  /** How a worker thread reaches the same database, with connections of its own. */
  readonly connect: Omit<DatabaseOptions, 'registry' | 'record'>
  /** Connections that read side by side; 1 reads one part after the other. */
  readonly lanes?: number
  readonly timeoutMs?: number
}

/**
 * Connections that read side by side. Postgres is the slow side: writing a part takes it ten times as long as a thread
 * needs to add it up, so one thread serves them all. With two statements in the server at once on 2 cores shared with it,
 * 1,000,000 orders took 441 ms, with three 425, with one 711. But then every core is taken, and whatever wakes the event
 * loop waits for the scheduler: so one core's worth less is asked for at once, and the sums are made meanwhile.
 */
const CORES = availableParallelism()
const LANES = Math.min(4, Math.max(2, CORES))
const AT_ONCE = Math.max(1, CORES - 1)
const TIMEOUT_MS = 60_000

export function createReports(options: ReportsOptions): Reports {
  const { database, workers, timeoutMs = TIMEOUT_MS } = options
  const own: 'workers' | 'main' = workers.stats().threads === 0 ? 'main' : 'workers'
  // A snapshot takes its connections all at once, so there must be as many.
  const lanes = Math.min(options.lanes ?? LANES, database.cancellable.stats().size)
  const connect = {
    ...options.connect,
    applicationName: `${options.connect.applicationName} report`,
    poolMax: lanes,
  }

  // The deadline is the caller's and covers its wait for the run in flight; a run ends with the last of its callers.
  const limited = (work: (limits: Limits) => Promise<Buffer>) => {
    const run = createSerialSingleFlight((signal) => work({ signal, statementTimeoutMs: timeoutMs }))
    return async (signal: AbortSignal) => {
      const scope = createAbortScope({ parent: signal, timeoutMs })
      try {
        return await run(scope.signal)
      } finally {
        scope.close()
      }
    }
  }
  const computed = limited((limits) =>
    own === 'main'
      ? computeReport({ ...limits, database, lanes, atOnce: AT_ONCE, engine: own }).then(asBuffer)
      : reportInThread({ database, workers, connect, lanes, atOnce: AT_ONCE }, limits).then(asBuffer),
  )
  const queried = limited((limits) => query(database, limits))

  return { engine: own, run: (engine, signal) => (engine === 'sql' ? queried : computed)(signal) }
}

interface Limits {
  readonly signal: AbortSignal
  readonly statementTimeoutMs: number
}

/** Postgres reads, adds up and sorts; only the groups travel. */
async function query(database: Database, limits: Limits): Promise<Buffer> {
  const rows = await database.cancellable.transaction((tx) => tx.run(queries.report, {}), {
    ...limits,
    readOnly: true,
  })
  return Buffer.from(writeRows('sql', rows))
}

function asBuffer({ buffer, byteOffset, byteLength }: Uint8Array<ArrayBuffer>): Buffer {
  return Buffer.from(buffer, byteOffset, byteLength)
}
