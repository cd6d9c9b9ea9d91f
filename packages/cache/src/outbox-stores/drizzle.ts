import { type SQL, sql } from 'drizzle-orm'
import { createSqlOutbox, type SqlOutbox, type SqlOutboxOptions } from './sql-outbox.ts'

export type { SqlOutbox, SqlOutboxOptions }

/** A Drizzle database for Postgres, over `pg` or postgres.js, or one of its transactions. */
export interface DrizzleExecutor {
  execute(query: SQL): PromiseLike<unknown>
}

/**
 * An outbox over Drizzle.
 *
 * @param database for the statements outside of a write's transaction
 * @throws AppError CACHE_OPTION_INVALID
 *
 * @example
 * const outbox = drizzleOutbox(database)
 * const rows = await database.transaction((tx) => outbox.insert(tx, keys))
 */
export function drizzleOutbox(
  database: DrizzleExecutor,
  options?: SqlOutboxOptions,
): SqlOutbox<DrizzleExecutor> {
  const run = async (executor: DrizzleExecutor, text: string, values: (string | number)[]) =>
    rowsOf(await executor.execute(withValues(text, values)))
  return createSqlOutbox(run, database, options)
}

/** Drizzle numbers its parameters itself. */
function withValues(text: string, values: readonly (string | number)[]): SQL {
  const parts = text.split(/\$(\d+)/)
  return sql.join(
    parts.map((part, index) => (index % 2 === 0 ? sql.raw(part) : sql`${values[Number(part) - 1]}`)),
  )
}

/** postgres.js gives the rows, `pg` an object that has them. */
function rowsOf(result: unknown): readonly unknown[] {
  return Array.isArray(result) ? result : (result as { rows: unknown[] }).rows
}
