import { type AnyColumn, is, type SQL, sql } from 'drizzle-orm'
import { PgColumn } from 'drizzle-orm/pg-core'
import { limited } from './limited.ts'

/**
 * Rows as one JSON array that Postgres writes, byte for byte what `JSON.stringify` makes of the same rows. Node neither creates
 * objects nor encodes them: it forwards one string. No rows: `[]`. The statement has one parameter, `limit`.
 *
 * `format` writes an object in half the time of `row_to_json`, which looks up each column's name and type again for each row:
 * 0.36 → 0.24 ms in Postgres for 100 orders.
 *
 * @param rows a select of whole rows, in order
 * @param members the names of the JSON object, with their columns. An SQL expression must result in JSON text, and never in null.
 */
export function jsonList(rows: SQL, members: Readonly<Record<string, AnyColumn | SQL>>): SQL {
  const template = Object.keys(members).map((name) => `"${name}":%s`)
  const values = Object.values(members).map((value) => (is(value, PgColumn) ? jsonOf(value) : value))
  const object = sql`format(${sql.raw(`'{${template.join(',')}}'`)}, ${sql.join(values as SQL[], sql`, `)})`
  return sql`select '[' || coalesce(string_agg(${object}, ','), '') || ']' as json from (${limited(rows)}) as row`
}

/** The value of a column whose text needs no escapes in JSON, such as one of a few words that a check constraint names. */
export function plainText(column: AnyColumn): SQL {
  return sql`'"' || ${unqualified(column)} || '"'`
}

/** `format` writes null as nothing, which is not JSON. */
function jsonOf(column: AnyColumn): SQL {
  return column.notNull ? jsonOfValue(column) : sql`coalesce(${jsonOfValue(column)}::text, 'null')`
}

const INTEGERS = /^(smallint|integer|bigint)$/
/** As `toISOString`, in quotes. */
const ISO_QUOTED = sql.raw(String.raw`'\"YYYY-MM-DD"T"HH24:MI:SS.MS"Z"\"'`)

function jsonOfValue(column: AnyColumn): SQL {
  const type = column.getSQLType()
  if (INTEGERS.test(type)) return unqualified(column)
  if (type.startsWith('timestamp'))
    return sql`to_char(${unqualified(column)} at time zone 'UTC', ${ISO_QUOTED})`
  return sql`to_json(${unqualified(column)})`
}

/** The column by its own name: the select around it names the rows. */
function unqualified({ name }: AnyColumn): SQL {
  return sql`${sql.identifier(name)}`
}
