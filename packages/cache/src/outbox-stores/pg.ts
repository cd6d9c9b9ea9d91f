import { createSqlOutbox, type SqlOutbox, type SqlOutboxOptions } from './sql-outbox.ts'

export type { SqlOutbox, SqlOutboxOptions }

/** A `Pool`, a `Client` or a client of a pool, of the package `pg`. */
export interface PgExecutor {
  query(text: string, values: (string | number)[]): Promise<{ rows: unknown[] }>
}

/**
 * An outbox over the driver `pg`.
 *
 * @param pool for the statements outside of a write's transaction
 * @throws AppError CACHE_OPTION_INVALID
 *
 * @example
 * const outbox = pgOutbox(pool)
 * const rows = await outbox.insert(client, keys) // between BEGIN and COMMIT of the write
 */
export function pgOutbox(pool: PgExecutor, options?: SqlOutboxOptions): SqlOutbox<PgExecutor> {
  const run = async (executor: PgExecutor, text: string, values: (string | number)[]) =>
    (await executor.query(text, values)).rows
  return createSqlOutbox(run, pool, options)
}
