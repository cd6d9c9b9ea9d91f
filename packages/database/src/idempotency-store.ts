import type { Database } from './database.ts'
import {
  idempotencyGet,
  idempotencyInsert,
  idempotencyLock,
  idempotencyPurge,
  type StoredReplyRow,
} from './queries/idempotency.ts'
import type { Transaction } from './transaction.ts'

const PURGE_BATCH = 1000

interface Key {
  readonly scope: string
  readonly key: string
}

/** The replies of requests that carried an idempotency key, kept for 24 h in `idempotency_keys`. */
export function createIdempotencyStore({ primary }: Database) {
  return {
    /**
     * The reply stored under a key. Locks the key until the transaction ends: a second request with the same key waits
     * here for the first to commit or roll back.
     */
    async find(tx: Transaction, { scope, key }: Key): Promise<StoredReplyRow | undefined> {
      await tx.run(idempotencyLock, { scope, key })
      return tx.first(idempotencyGet, { scope, key })
    },

    async save(tx: Transaction, { scope, key }: Key, reply: StoredReplyRow): Promise<void> {
      const { bodySha256, status, headers, body } = reply
      const headersJson = JSON.stringify(headers)
      await tx.run(idempotencyInsert, { scope, key, bodySha256, status, headersJson, body })
    },

    /** Deletes the replies older than 24 h, in batches. Resolves with their number. */
    async purge(signal: AbortSignal): Promise<number> {
      for (let deleted = 0; ; ) {
        signal.throwIfAborted()
        const rows = await primary.run(idempotencyPurge, { limit: PURGE_BATCH })
        deleted += rows.length
        if (rows.length < PURGE_BATCH) return deleted
      }
    },
  }
}
