import { availableParallelism } from 'node:os'
import { type Database, queries, type Transaction } from '@reference/database'
import type { WorkerPool } from '@reference/jobs'
import { abortScope } from '../abort-scope.ts'
import { createTurns } from '../turns.ts'
import { createParts, type Parts } from './parts.ts'
import type { Categories, Part } from './sum.ts'
import { type Sums, sortedNames } from './write.ts'

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
  readonly threads: number
  /** Connections that read side by side; 1 reads one part after the other. */
  readonly lanes?: number
  readonly timeoutMs?: number
}

/**
 * Connections that read side by side. Postgres is the slow side: writing a part takes it ten times as long as a thread
 * needs to add it up. On 2 cores shared with Postgres, 1,000,000 orders took 711 ms with one, 441 with two, 425 with
 * three, and more busy processes than cores make every other call wait; so as many as cores, and four at most.
 */
const LANES = Math.min(4, Math.max(2, availableParallelism()))

/**
 * Orders in a part: an even share for each lane, within these bounds. The largest is 0.8 MB; larger ones gain nothing and
 * are held whole. Adding up 50,000 orders takes the main thread 3.5 ms, handing them to a thread 0.2 ms; from about
 * 300 orders on (0.03 ms) the thread is the cheaper way for the main thread, so no part is worth doing here.
 * (Medians of 60, 2 shared cores, Node 26.)
 */
const PART_SIZE = { min: 1_000, max: 50_000 }
const BYTES_AN_ORDER = 16
const TIMEOUT_MS = 60_000

export function createReports(options: ReportsOptions): Reports {
  const { database, workers, threads, timeoutMs = TIMEOUT_MS } = options
  const own: 'workers' | 'main' = threads === 0 ? 'main' : 'workers'
  // A snapshot takes its connections all at once, so there must be as many.
  const lanes = Math.min(options.lanes ?? LANES, database.cancellable.stats().size)

  // The deadline is the caller's and covers the wait for the turn; the work ends with the last of them.
  const limited = (work: (limits: Limits) => Promise<Buffer>) => {
    const turns = createTurns((signal) => work({ signal, statementTimeoutMs: timeoutMs }))
    return async (signal: AbortSignal) => {
      const scope = abortScope(signal, timeoutMs)
      try {
        return await turns(scope.signal)
      } finally {
        scope.close()
      }
    }
  }
  const computed = limited((limits) => compute({ database, workers, lanes, engine: own }, limits))
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
  return Buffer.from(JSON.stringify({ engine: 'sql', rows }))
}

interface Means {
  readonly database: Database
  readonly workers: WorkerPool
  readonly lanes: number
  readonly engine: Engine
}

/** All lanes read the same snapshot: the parts fit together although others write meanwhile. */
async function compute({ database, workers, lanes, engine }: Means, limits: Limits): Promise<Buffer> {
  const scope = abortScope(limits.signal, undefined)
  const work = async (connections: Transaction[]): Promise<Sums> => {
    const [first] = connections
    const range = await first?.first(queries.orderIdRange, {})
    if (first === undefined || range === undefined || range.first === null || range.last === null) {
      return { engine, lanes: [], names: [] }
    }
    const { products, names } = await readCategories(first)
    const ids = { from: range.first, to: range.last }
    const share = Math.ceil((ids.to - ids.from + 1) / lanes)
    const parts = createParts(ids, Math.min(Math.max(share, PART_SIZE.min), PART_SIZE.max))
    const lane = (connection: Transaction) =>
      runLane(connection, workers, parts, products, scope.signal).catch((error: unknown) => {
        scope.abort(error)
        return new Float64Array()
      })
    // Each lane has ended, well or not, before its connection is given back.
    const sums = await Promise.all(connections.map(lane))
    scope.signal.throwIfAborted()
    return { engine, lanes: sums, names }
  }
  try {
    const sums = await database.cancellable.snapshot(lanes, work, { ...limits, signal: scope.signal })
    const json = await workers.run<Uint8Array<ArrayBuffer>>(sums, { name: 'writeReport' })
    return Buffer.from(json.buffer, json.byteOffset, json.byteLength)
  } finally {
    scope.close()
  }
}

/**
 * One connection: reads a part, has it added up, reads the next. So at most one part a lane is in memory, however many
 * orders there are, and a slow worker slows its reader down.
 */
async function runLane(
  connection: Transaction,
  workers: WorkerPool,
  parts: Parts,
  products: Categories,
  signal: AbortSignal,
): Promise<Float64Array> {
  let sums = new Float64Array()
  for (let part = parts.next(); part !== undefined; part = parts.next()) {
    signal.throwIfAborted()
    // The bytes lie in a socket's buffer; a copy of their own can be moved to the thread, and only it.
    const orders = new Uint8Array(await connection.bytes(queries.orderPart, part))
    signal.throwIfAborted()
    parts.held(part, orders.length / BYTES_AN_ORDER)
    const task: Part = { orders, products, before: sums }
    // Without the signal: aborting kills the thread, and starting one takes longer than a part.
    sums = await workers.run(task, { name: 'sumPart', transferList: [orders.buffer, sums.buffer] })
  }
  return sums
}

async function readCategories(connection: Transaction): Promise<{ products: Categories; names: string[] }> {
  const rows = await connection.run(queries.productCategories, {})
  const names = sortedNames(rows.map(({ category }) => category))
  const places = new Map(names.map((name, place) => [name, place]))
  const ids = sharedIntegers(rows.length)
  const categories = sharedIntegers(rows.length)
  for (const [at, { id, category }] of rows.entries()) {
    ids[at] = id
    categories[at] = places.get(category) ?? 0
  }
  return { products: { ids, categories }, names }
}

function sharedIntegers(length: number): Int32Array<SharedArrayBuffer> {
  return new Int32Array(new SharedArrayBuffer(length * Int32Array.BYTES_PER_ELEMENT))
}
