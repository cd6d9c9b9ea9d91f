import { orderStatuses } from '@reference/model'
import { type AnyColumn, type SQL, sql } from 'drizzle-orm'

/**
 * What a row must be for the API to represent it: each condition is a check constraint of the schema, and the lists and
 * reports leave out the rows that break it. One definition for both, since a constraint may be absent for a while
 * (dropped by hand, or added and not validated yet).
 *
 * Only literals that Postgres reads alike under every setting: these texts are stored in the catalog and in plans.
 */

/** ISO 8601 has years of four digits, and neither `infinity` nor an era before Christ. */
const MOMENTS = { first: '0001-01-01 00:00:00.000+00', last: '9999-12-31 23:59:59.999+00' }

/** The newest moment that a list may hold, as the API writes it. */
export const LAST_MOMENT = '9999-12-31T23:59:59.999Z'

export function isMoment(column: AnyColumn | SQL): SQL {
  const { first, last } = MOMENTS
  return sql`${column} between ${sql.raw(`timestamptz '${first}'`)} and ${sql.raw(`timestamptz '${last}'`)}`
}

/**
 * The lower bound of `isMoment`, in a form that no index serves. For pages, whose cursor is the upper bound: a range of
 * both would be reckoned as half a percent of all rows, which draws the planner away from the index of the page's order.
 */
export function isNotTooEarly(column: AnyColumn | SQL): SQL {
  return sql`(${column} < ${sql.raw(`timestamptz '${MOMENTS.first}'`)}) is not true`
}

/** Money in cents: not negative, and exact in JavaScript (`Number.MAX_SAFE_INTEGER`). */
export function isCents(column: AnyColumn | SQL): SQL {
  return sql`${column} between 0 and ${sql.raw(String(Number.MAX_SAFE_INTEGER))}`
}

/** One `@`, neither first nor last: no stricter than the API, which also refuses white space. */
export function isEmail(column: AnyColumn | SQL): SQL {
  return sql`${column} like '_%@%_' and ${column} not like '%@%@%'`
}

export function isName(column: AnyColumn | SQL): SQL {
  return sql`char_length(${column}) >= 1`
}

export function isQuantity(column: AnyColumn | SQL): SQL {
  return sql`${column} between 1 and 1000000`
}

export function isStatus(column: AnyColumn | SQL): SQL {
  const known = orderStatuses.map((status) => `'${status}'`).join(', ')
  return sql`${column} in (${sql.raw(known)})`
}
