import { type AnyColumn, type SQL, sql } from 'drizzle-orm'

/**
 * Whether the column equals one of the values of a parameter, in a form whose plan Postgres keeps.
 *
 * For an unknown array the planner assumes ten values. With `column = any($1)` the plan for a shorter array looks cheaper than
 * the plan that it could keep, so it plans again at each call: 12 custom plans in 12 calls with 1 to 64 ids
 * (pg_prepared_statements), and the five of every statement in this form. The planner does not look into the subquery, so each
 * array counts as ten values.
 *
 * @param parameter name of the parameter, an array
 */
export function isOneOf(column: AnyColumn, parameter: string, type: 'int' | 'text'): SQL {
  const array = sql.raw(`${type}[]`)
  return sql`${column} = any((select ${sql.placeholder(parameter)}::${array})::${array})`
}
