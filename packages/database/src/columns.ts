import { type AnyColumn, type SQL, sql } from 'drizzle-orm'
import { timestamp } from 'drizzle-orm/pg-core'

/**
 * A column of timestamps with milliseconds instead of Postgres' microseconds: a keyset cursor passes through JavaScript and must
 * still name its row exactly.
 */
export function timestampColumn(name: string) {
  return timestamp(name, { precision: 3, withTimezone: true, mode: 'string' })
}

/** Gives a column its JavaScript name in SQL: rows need no mapping, and Postgres sends the name once per statement. */
export function named<Value>(column: AnyColumn | SQL, name: string): SQL.Aliased<Value> {
  return sql<Value>`${column}`.as(name)
}
