import { Batcher } from '@reference/async'
import { isDataException, poolTimeoutError } from './errors.ts'
import type { BatchMetrics } from './metrics.ts'
import type { Pool, RunOptions } from './pool.ts'
import type { Statement } from './statement.ts'

/** How single rows of a table are read by a unique column. */
export interface RowLookup<Column extends string, Key, Row extends Record<Column, Key>> {
  /** The unique column, by its JavaScript name: `id`. */
  readonly column: Column
  /** Reads the row with one key. */
  readonly one: Statement<Record<Column, Key>, Row>
  /** Reads the rows with several keys, in any order: parameter `ids`, see `isOneOf`. */
  readonly many: Statement<Record<`${Column}s`, Key[]>, Row>
}

/**
 * Reads a row from the primary. With batching, the signal is read after 100 to 200 ms without an answer: see `Batcher`.
 *
 * @returns undefined without such a row
 * @throws as `Pool.first`; the signal's reason
 */
export type RowReader<Key, Row> = (key: Key, options?: RunOptions) => Promise<Row | undefined>

export interface RowReaderOptions {
  readonly pool: Pool
  readonly poolName: string
  /** `false`: each read is a statement of its own. */
  readonly batching: boolean
  /** How long a read may wait for its statement to be sent. The statement then waits for a connection as any other. */
  readonly timeoutMs: number
  readonly metrics: ((statement: string) => BatchMetrics) | undefined
}

const BATCH = { maxKeys: 64, maxInFlight: 4 }

export function createRowReader<Column extends string, Key, Row extends Record<Column, Key>>(
  { column, one, many }: RowLookup<Column, Key, Row>,
  { pool, poolName, batching, timeoutMs, metrics }: RowReaderOptions,
): RowReader<Key, Row> {
  const readOne = (key: Key, options?: RunOptions) =>
    pool.first(one, { [column]: key } as Record<Column, Key>, options)
  if (!batching) return readOne

  const batches = metrics?.(many.name)
  const batcher = new Batcher<Key, Row>({
    ...BATCH,
    async load(keys, signal) {
      batches?.sent(keys.length)
      const [key] = keys
      if (keys.length > 1 || key === undefined) {
        return pool.run(many, { [`${column}s`]: keys } as Record<`${Column}s`, Key[]>, { signal })
      }
      return pool.run(one, { [column]: key } as Record<Column, Key>, { signal })
    },
    keyOf: (row) => row[column],
    timeoutMs,
    timeoutError() {
      batches?.refused()
      return poolTimeoutError(poolName, timeoutMs)
    },
    isErrorOfKey: isDataException,
  })
  return (key, options) => batcher.load(key, options)
}
