import { type SQL, type SQLWrapper, sql } from 'drizzle-orm'

/** The API asks for 500 rows at most, and for one more to see whether there is a next page. */
const MAX_ROWS = 501

/**
 * `rows limit :limit`, in a form whose plan Postgres keeps.
 *
 * For an unknown limit the planner assumes a tenth of all rows. The plan that it could keep then looks more expensive than one
 * for the value at hand, so a prepared `limit $1` is planned again at each call (`custom_plans` of pg_prepared_statements). With a
 * known limit inside, the kept plan looks as cheap as it is. 100 orders: 0.15 → 0.07 ms in Postgres, without the conversion to
 * text. Evaluation is lazy: no more rows are read than `limit`.
 */
export function limited(rows: SQLWrapper): SQL {
  const text = sql`${rows.getSQL()} limit ${sql.raw(String(MAX_ROWS))}`
  return sql`select * from (${text}) as rows limit ${sql.placeholder('limit')}`
}
