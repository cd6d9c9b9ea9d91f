import { type AnyColumn, asc, desc, type SQL, sql } from 'drizzle-orm'

/** A sort column of a page, and the Postgres type of its value in the cursor. */
export interface KeysetColumn {
  readonly column: AnyColumn
  readonly type: 'int' | 'bigint' | 'text' | 'timestamptz'
}

export interface Keyset {
  /** The rows behind the cursor. Each sort column is a parameter with the name that `keyset` was given for it. */
  readonly behind: SQL
  /** The sort columns, for `order by`. */
  readonly order: SQL
}

/**
 * The condition and the order of a keyset page: it starts behind the sort values of the previous page's last row. A page costs the
 * same at any depth, and rows that are inserted or deleted meanwhile cause neither duplicates nor gaps.
 *
 * @param columns sort columns by parameter name. Together they must be unique, so the last one is usually the id.
 */
export function keyset(columns: Readonly<Record<string, KeysetColumn>>, direction: 'asc' | 'desc'): Keyset {
  const sortColumns = Object.values(columns).map(({ column }) => column)
  const values = Object.entries(columns).map(
    ([name, { type }]) => sql`${sql.placeholder(name)}::${sql.raw(type)}`,
  )
  const comparison = direction === 'asc' ? sql`>` : sql`<`
  return {
    behind: sql`${tuple(sortColumns)} ${comparison} ${tuple(values)}`,
    order: sql.join(sortColumns.map(direction === 'asc' ? asc : desc), sql`, `),
  }
}

function tuple(values: readonly (AnyColumn | SQL)[]): SQL {
  const list = sql.join(values as SQL[], sql`, `)
  return values.length === 1 ? list : sql`(${list})`
}
