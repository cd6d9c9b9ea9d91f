import { type AnyColumn, type SQL, sql } from 'drizzle-orm'
import { rowNotRepresentable } from './errors.ts'

/**
 * Conditions that a row must meet so that the API can represent it. A table uses them twice: as check constraints, and as the
 * filter of its lists and reports, because a constraint may be absent for a while (dropped by hand, or not validated yet).
 *
 * They contain only literals that Postgres reads alike under every setting: these texts are stored in the catalog and in plans.
 */

/** ISO 8601 has years of four digits, and neither `infinity` nor years before 1. */
const TIMESTAMPS = { first: '0001-01-01 00:00:00.000+00', last: '9999-12-31 23:59:59.999+00' }

/** The newest timestamp that a list may contain, as the API writes it. */
export const LAST_TIMESTAMP = '9999-12-31T23:59:59.999Z'

export function isTimestamp(column: AnyColumn | SQL): SQL {
  const { first, last } = TIMESTAMPS
  return sql`${column} between ${sql.raw(`timestamptz '${first}'`)} and ${sql.raw(`timestamptz '${last}'`)}`
}

/**
 * The lower bound of `isTimestamp`, in a form that no index serves. For pages, whose cursor is the upper bound: the planner
 * estimates a range with both bounds at half a percent of all rows, and then avoids the index that has the order of the page.
 */
export function isNotTooEarly(column: AnyColumn | SQL): SQL {
  return sql`(${column} < ${sql.raw(`timestamptz '${TIMESTAMPS.first}'`)}) is not true`
}

/** Money in cents: not negative, and exact in JavaScript (`Number.MAX_SAFE_INTEGER`). */
export function isCents(column: AnyColumn | SQL): SQL {
  return sql`${column} between 0 and ${sql.raw(String(Number.MAX_SAFE_INTEGER))}`
}

/**
 * Returns the row, or `undefined` when there is none.
 *
 * @param kind names the row in the error: `user`
 * @throws `ROW_NOT_REPRESENTABLE` (500) when the row does not meet the conditions of its table
 */
export function checkedRow<Row extends { readonly id: number }>(
  kind: string,
  isRepresentable: (row: Row) => boolean,
  row: Row | undefined,
): Row | undefined {
  if (row === undefined || isRepresentable(row)) return row
  throw rowNotRepresentable(kind, row.id)
}
