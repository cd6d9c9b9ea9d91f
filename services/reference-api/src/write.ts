import type { Cache } from '@reference/cache'
import { type Database, queries, type Transaction } from '@reference/database'

/** What a write leaves behind: its answer, and the cache keys that it made stale. */
export interface Written<Result> {
  readonly result: Result
  readonly staleKeys: readonly string[]
}

/** What is done in the transaction. */
export type Change<Result> = (tx: Transaction) => Promise<Written<Result>>

/** Resolves when the change has committed and no replica serves the stale keys any more. */
export type Write = <Result>(change: Change<Result>) => Promise<Result>

/**
 * The path of every write: change and outbox rows in one transaction, then the invalidation, then the answer.
 *
 * With the outbox a committed change whose invalidation does not reach Redis (Redis away, process killed in between)
 * is still delivered, by whichever process finds the rows. Without it the invalidation is tried once.
 */
export function createWrite(database: Database, cache: Cache, outbox: boolean): Write {
  return async (change) => {
    const { result, rows } = await database.primary.transaction(async (tx) => {
      const { result, staleKeys } = await change(tx)
      if (!outbox || staleKeys.length === 0) return { result, rows: staleKeys }
      return { result, rows: await tx.run(queries.outboxInsert, { keys: [...staleKeys] }) }
    })
    if (rows.length > 0) await cache.deliver(rows)
    return result
  }
}
