import { availableParallelism } from 'node:os'
import { createAbortScope, createSerialSingleFlight } from '@reference/async'
import type { Database, DatabaseOptions } from '@reference/database'
import { report } from '@reference/shop/report/queries'
import type { WorkerPool } from '@reference/threads'
import { computeReport } from './compute.ts'
import { reportInThread } from './in-thread.ts'
import { writeRows } from './write.ts'

/** Where the orders are added up: in worker threads, in the main thread (`WORKER_THREADS=0`), or in Postgres. */
export type Engine = 'workers' | 'main' | 'sql'

export interface Reports {
  /** The default engine. */
  readonly engine: 'workers' | 'main'
  /**
   * Orders and revenue of all orders by category and day, as of a time after the call.
   *
   * @returns the reply: JSON in UTF-8, written once for all callers that share the report
   * @throws DeadlineError past `timeoutMs`; the signal's reason when the caller aborted
   */
  run(engine: Engine, signal: AbortSignal): Promise<Buffer>
}

export interface ReportsOptions {
  readonly database: Database
  /** Runs `worker.ts`. */
  readonly workers: WorkerPool
  /** A worker thread opens the same database with these options and has its own connections. */
  readonly connect: Omit<DatabaseOptions, 'registry' | 'record'>
  /** Connections that read in parallel; 1 reads one chunk after the other. Default: 2 to 4, by the number of cores. */
  readonly lanes?: number
  /** Default 60,000. */
  readonly timeoutMs?: number
}

const CORES = availableParallelism()
/**
 * Connections that read in parallel. Postgres is the slower side: it writes a chunk in ten times the time that a thread needs
 * to add it up, so one thread serves all lanes.
 */
const LANES = Math.min(4, Math.max(2, CORES))
/**
 * Statements in flight: one less than there are cores, while the other lanes add up. On 2 cores shared with Postgres
 * 1,000,000 orders took 711 ms with one statement, 441 with two, 425 with three; but with two every core is busy, and the event
 * loop has to wait for the scheduler.
 */
const MAX_STATEMENTS = Math.max(1, CORES - 1)
const TIMEOUT_MS = 60_000

export function createReports(options: ReportsOptions): Reports {
  const { database, workers, timeoutMs = TIMEOUT_MS } = options
  const own: 'workers' | 'main' = workers.stats().threads === 0 ? 'main' : 'workers'
  // A snapshot takes all of its connections at the same time, so it cannot have more than the pool.
  const lanes = Math.min(options.lanes ?? LANES, database.cancellable.stats().size)
  const connect = {
    ...options.connect,
    applicationName: `${options.connect.applicationName} report`,
    poolMax: lanes,
  }

  const shared = createSerialSingleFlight<Buffer>()
  const computed = (limits: Limits) =>
    own === 'main'
      ? computeReport({ ...limits, database, lanes, maxStatements: MAX_STATEMENTS, engine: own }).then(
          asBuffer,
        )
      : reportInThread({ database, workers, connect, lanes, maxStatements: MAX_STATEMENTS }, limits).then(
          asBuffer,
        )

  return {
    engine: own,
    async run(engine, caller) {
      // The deadline is the caller's and covers its wait for the run in flight; a run ends with the last of its callers.
      const scope = createAbortScope({ parent: caller, timeoutMs })
      try {
        return await shared(engine, scope.signal, (signal) => {
          const limits = { signal, statementTimeoutMs: timeoutMs }
          return engine === 'sql' ? query(database, limits) : computed(limits)
        })
      } finally {
        scope.close()
      }
    },
  }
}

interface Limits {
  readonly signal: AbortSignal
  readonly statementTimeoutMs: number
}

/** Postgres reads, adds up and sorts; only the groups are sent. */
async function query(database: Database, limits: Limits): Promise<Buffer> {
  const rows = await database.cancellable.transaction((tx) => tx.run(report, {}), {
    ...limits,
    readOnly: true,
  })
  return Buffer.from(writeRows('sql', rows))
}

function asBuffer({ buffer, byteOffset, byteLength }: Uint8Array<ArrayBuffer>): Buffer {
  return Buffer.from(buffer, byteOffset, byteLength)
}
