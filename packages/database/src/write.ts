import type { Database } from './database.ts'
import { type OutboxRow, outboxInsert } from './queries/outbox.ts'
import type { Transaction } from './transaction.ts'

/** The result of a write, and the cache keys that it made stale. */
export interface Written<Result> {
  readonly result: Result
  readonly staleKeys: readonly string[]
}

/** The statements of one write, inside its transaction. */
export type Change<Result> = (tx: Transaction) => Promise<Written<Result>>

export interface WaitOptions {
  /** An abort before the transaction has begun ends the wait for a connection; a transaction that has begun runs to its end. */
  readonly waitSignal?: AbortSignal | undefined
}

/**
 * Resolves when the change has committed and its stale keys have been passed to `deliver`.
 *
 * @throws the reason of `waitSignal`, when nothing was written
 */
export type Write = <Result>(change: Change<Result>, options?: WaitOptions) => Promise<Result>

export interface WriteOptions {
  /** Inserts the stale keys into `cache_outbox`, so that every registered cache gets them, also after a crash. */
  readonly outbox: boolean
  /** Invalidates the keys in the cache of this process, after the commit and before the answer. `rows` is empty without the outbox. */
  readonly deliver?: (staleKeys: readonly string[], rows: readonly OutboxRow[]) => Promise<unknown>
}

/**
 * The path of every write: the change and its outbox rows in one transaction, then the invalidation, then the answer.
 *
 * The outbox gets one row for each stale key and registered cache. An invalidation that fails now (Redis unavailable,
 * process killed between commit and delivery) is delivered within a second by any process that uses that cache. Without
 * the outbox, the invalidation is tried once, and only in the cache of this process.
 */
export function createWrite(database: Database, { outbox, deliver }: WriteOptions): Write {
  return async (change, { waitSignal } = {}) => {
    const written = await database.primary.transaction(
      async (tx) => {
        const { result, staleKeys } = await change(tx)
        if (!outbox || staleKeys.length === 0) return { result, staleKeys, rows: [] }
        return { result, staleKeys, rows: await tx.run(outboxInsert, { keys: [...staleKeys] }) }
      },
      { waitSignal },
    )
    const { result, staleKeys, rows } = written
    if (staleKeys.length > 0) await deliver?.(staleKeys, rows)
    return result
  }
}
