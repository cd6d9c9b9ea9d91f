import { createAbortScope, createSemaphore, type Semaphore } from '@reference/async'
import { type Attempt, type Database, queries, repeated, type Transaction } from '@reference/database'
import { createParts, type Parts } from './parts.ts'
import { type Categories, sumPart } from './sum.ts'
import { type Sums, sortedNames, writeReport } from './write.ts'

/**
 * Orders in a part: an even share for each lane, within these bounds. The largest is 0.8 MB of text, which is what a lane
 * holds in memory; larger ones gain nothing.
 */
const PART_SIZE = { min: 1_000, max: 50_000 }
const BYTES_AN_ORDER = 16

export interface ComputeOptions {
  readonly database: Database
  /** Connections that read side by side. */
  readonly lanes: number
  /** How many of them have a statement in the server at once; the others' parts are added up meanwhile. */
  readonly atOnce: number
  /** What the reply says who computed. */
  readonly engine: string
  readonly statementTimeoutMs: number
  readonly signal: AbortSignal
}

/**
 * Fetches the orders over `lanes` connections, adds them up in the thread that calls, and writes the reply. All lanes read the
 * same snapshot: the parts fit together although others write meanwhile.
 *
 * @returns JSON in UTF-8
 */
export function computeReport(options: ComputeOptions): Promise<Uint8Array<ArrayBuffer>> {
  return repeated((attempt) => computeOnce(options, attempt), { signal: options.signal })
}

async function computeOnce(options: ComputeOptions, attempt: Attempt): Promise<Uint8Array<ArrayBuffer>> {
  const { database, lanes, atOnce, engine, statementTimeoutMs } = options
  const scope = createAbortScope({ parent: options.signal })
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
    const statements = createSemaphore(atOnce)
    const lane = (connection: Transaction) =>
      runLane(connection, statements, parts, products, scope.signal).catch((error: unknown) => {
        scope.abort(error)
        return new Float64Array()
      })
    // Each lane has ended, well or not, before its connection is given back.
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

/** One connection: reads a part, adds it up, reads the next. So at most one part a lane is in memory, however many orders there are. */
async function runLane(
  connection: Transaction,
  statements: Semaphore,
  parts: Parts,
  products: Categories,
  signal: AbortSignal,
): Promise<Float64Array> {
  let sums: Float64Array = new Float64Array()
  for (let part = parts.next(); part !== undefined; part = parts.next()) {
    const range = part
    const orders = await statements.run(() => connection.bytes(queries.orderPart, range), signal)
    signal.throwIfAborted()
    parts.held(part, orders.length / BYTES_AN_ORDER)
    sums = sumPart({ orders, products, before: sums })
  }
  return sums
}

async function readCategories(connection: Transaction): Promise<{ products: Categories; names: string[] }> {
  const rows = await connection.run(queries.productCategories, {})
  const names = sortedNames(rows.map(({ category }) => category))
  const places = new Map(names.map((name, place) => [name, place]))
  const ids = Int32Array.from(rows, ({ id }) => id)
  const categories = Int32Array.from(rows, ({ category }) => places.get(category) ?? 0)
  return { products: { ids, categories }, names }
}
