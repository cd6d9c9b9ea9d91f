import type { Cache } from '@reference/cache'
import { type Database, queries, type Transaction } from '@reference/database'

/** What a write leaves behind: its answer, and the cache keys that it made stale. */
export interface Written<Result> {
  readonly result: Result
  readonly staleKeys: readonly string[]
}

/** What is done in the transaction. */
export type Change<Result> = (tx: Transaction) => Promise<Written<Result>>

/** Resolves when the change has committed and no replica with the same Redis serves the stale keys any more. */
export type Write = <Result>(change: Change<Result>) => Promise<Result>

/**
 * The path of every write: change and outbox rows in one transaction, then the invalidation, then the answer.
 *
 * The database knows which caches hold its rows, and the outbox gets a row for each of them. A change whose invalidation
 * does not reach the cache of this process (Redis unavailable, process killed in between) is still delivered, by any process
 * that uses that cache; and so is, within a second, one for the cache of another process. Without the outbox the
 * invalidation is tried once, and only in the cache of this process.
 *
 * @param cache that of this process, if it has one. Without it `keyOf` of `@reference/cache` names the stale keys.
 */
export function createWrite(
  database: Database,
  { cache, outbox }: { cache?: Pick<Cache, 'deliver'>; outbox: boolean },
): Write {
  return async (change) => {
    const { result, staleKeys, rows } = await database.primary.transaction(async (tx) => {
      const { result, staleKeys } = await change(tx)
      if (!outbox || staleKeys.length === 0) return { result, staleKeys, rows: [] }
      return { result, staleKeys, rows: await tx.run(queries.outboxInsert, { keys: [...staleKeys] }) }
    })
    if (staleKeys.length > 0) await cache?.deliver(staleKeys, rows)
    return result
  }
}
