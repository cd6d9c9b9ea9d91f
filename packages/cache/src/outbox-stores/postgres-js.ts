import { createSqlOutbox, type SqlOutbox, type SqlOutboxOptions } from './sql-outbox.ts'

export type { SqlOutbox, SqlOutboxOptions }

/** The `sql` of the package `postgres` (postgres.js), or that of one of its transactions. */
export interface PostgresJsExecutor {
  unsafe(text: string, values: (string | number)[]): PromiseLike<readonly unknown[]>
}

/**
 * An outbox over postgres.js.
 *
 * @param sql for the statements outside of a write's transaction
 * @throws AppError CACHE_OPTION_INVALID
 *
 * @example
 * const outbox = postgresJsOutbox(sql)
 * const rows = await sql.begin((tx) => outbox.insert(tx, keys))
 */
export function postgresJsOutbox(
  sql: PostgresJsExecutor,
  options?: SqlOutboxOptions,
): SqlOutbox<PostgresJsExecutor> {
  return createSqlOutbox((executor, text, values) => executor.unsafe(text, values), sql, options)
}
