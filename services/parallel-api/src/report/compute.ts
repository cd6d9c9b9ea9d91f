import { createAbortScope, createSemaphore, type Semaphore } from '@reference/async'
import { type Attempt, type Database, repeated, type Transaction } from '@reference/database'
import { orderChunk, orderIdRange, productCategories } from '@reference/shop/report/queries'
import { type Chunks, createChunks } from './chunks.ts'
import { type Categories, sumChunk } from './sum.ts'
import { type Sums, sortedNames, writeReport } from './write.ts'

/**
 * Orders in a chunk: an even share for each lane, within these bounds. The largest chunk is 0.8 MB of text, which a lane keeps
 * in memory; larger chunks were not faster.
 */
const CHUNK_SIZE = { min: 1_000, max: 50_000 }
const BYTES_PER_ORDER = 16

export interface ComputeOptions {
  readonly database: Database
  /** Connections that read in parallel. */
  readonly lanes: number
  /** The most statements in flight; the other lanes add up their chunks meanwhile. */
  readonly maxStatements: number
  /** The engine that the reply names. */
  readonly engine: string
  readonly statementTimeoutMs: number
  readonly signal: AbortSignal
}

/**
 * Fetches the orders over `lanes` connections, adds them up in the calling thread, and writes the reply. All lanes read the
 * same snapshot, so the chunks are consistent although other sessions write meanwhile.
 *
 * @returns JSON in UTF-8
 */
export function computeReport(options: ComputeOptions): Promise<Uint8Array<ArrayBuffer>> {
  return repeated((attempt) => computeOnce(options, attempt), { signal: options.signal })
}

async function computeOnce(options: ComputeOptions, attempt: Attempt): Promise<Uint8Array<ArrayBuffer>> {
  const { database, lanes, maxStatements, engine, statementTimeoutMs } = options
  const scope = createAbortScope({ parent: options.signal })
  const work = async (connections: Transaction[]): Promise<Sums> => {
    const [first] = connections
    const range = await first?.first(orderIdRange, {})
    if (first === undefined || range === undefined || range.first === null || range.last === null) {
      return { engine, lanes: [], names: [] }
    }
    const { products, names } = await readCategories(first)
    const ids = { from: range.first, to: range.last }
    const share = Math.ceil((ids.to - ids.from + 1) / lanes)
    const chunks = createChunks(ids, Math.min(Math.max(share, CHUNK_SIZE.min), CHUNK_SIZE.max))
    const statements = createSemaphore(maxStatements)
    const lane = (connection: Transaction) =>
      runLane({ connection, statements, chunks, products, signal: scope.signal }).catch((error: unknown) => {
        scope.abort(error)
        return new Float64Array()
      })
    // No lane rejects: each has ended before its connection is released.
    const sums = await Promise.all(connections.map(lane))
    scope.signal.throwIfAborted()
    return { engine, lanes: sums, names }
  }
  try {
    const limits = { signal: scope.signal, statementTimeoutMs, prepare: !attempt.unprepared }
    return writeReport(await database.cancellable.snapshot(lanes, work, limits))
  } finally {
    scope.close()
  }
}

interface Lane {
  readonly connection: Transaction
  readonly statements: Semaphore
  readonly chunks: Chunks
  readonly products: Categories
  readonly signal: AbortSignal
}

/** Reads a chunk, adds it up, reads the next: at most one chunk per lane is in memory, however many orders there are. */
async function runLane({ connection, statements, chunks, products, signal }: Lane): Promise<Float64Array> {
  let sums: Float64Array = new Float64Array()
  for (let chunk = chunks.next(); chunk !== undefined; chunk = chunks.next()) {
    const range = chunk
    const orders = await statements.run(() => connection.bytes(orderChunk, range), signal)
    signal.throwIfAborted()
    chunks.contained(chunk, orders.length / BYTES_PER_ORDER)
    sums = sumChunk({ orders, products, before: sums })
  }
  return sums
}

async function readCategories(connection: Transaction): Promise<{ products: Categories; names: string[] }> {
  const rows = await connection.run(productCategories, {})
  const names = sortedNames(rows.map(({ category }) => category))
  const places = new Map(names.map((name, place) => [name, place]))
  const ids = Int32Array.from(rows, ({ id }) => id)
  const categories = Int32Array.from(rows, ({ category }) => places.get(category) ?? 0)
  return { products: { ids, categories }, names }
}
