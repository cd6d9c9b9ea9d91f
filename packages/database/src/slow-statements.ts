import { AppError } from '@reference/errors'
import type postgres from 'postgres'
import { withClient } from './client.ts'

export const SLOW_ORDERS = {
  total: 'total_exec_time',
  mean: 'mean_exec_time',
  max: 'max_exec_time',
  calls: 'calls',
  read: 'shared_blks_read',
} as const
export type SlowOrder = keyof typeof SLOW_ORDERS

export interface SlowStatement {
  query: string
  calls: number
  totalMs: number
  meanMs: number
  maxMs: number
  rows: number
  /** Share of the touched pages (8 kB) that were in shared buffers; null without any. */
  hitRatio: number | null
  /** Share of the time of all statements in this database. */
  share: number
}

/**
 * The most expensive statements of this database since the last reset, from pg_stat_statements. Without `pg_read_all_stats` the
 * texts of other roles' statements are hidden.
 *
 * @throws AppError `STATISTICS_MISSING`, whose message says how to install pg_stat_statements
 */
export async function slowStatements(options: {
  url: string
  by: SlowOrder
  limit: number
}): Promise<SlowStatement[]> {
  return withClient(options.url, 'slow', async (sql) => {
    const schema = await schemaOf(sql)
    return sql<SlowStatement[]>`
      select query, calls::float8 as calls, rows::float8 as rows, total_exec_time as "totalMs",
        mean_exec_time as "meanMs", max_exec_time as "maxMs",
        shared_blks_hit::float8 / nullif(shared_blks_hit + shared_blks_read, 0) as "hitRatio",
        total_exec_time / nullif(sum(total_exec_time) over (), 0) as share
      from ${sql(schema)}.pg_stat_statements
      where dbid = (select oid from pg_database where datname = current_database())
      order by ${sql(SLOW_ORDERS[options.by])} desc limit ${options.limit}`
  })
}

/** Resets the statistics of this database; needs a superuser or the right to call `pg_stat_statements_reset`. */
export async function resetStatements(options: { url: string }): Promise<void> {
  await withClient(options.url, 'slow', async (sql) => {
    const schema = await schemaOf(sql)
    await sql`select ${sql(schema)}.pg_stat_statements_reset(
      0, (select oid from pg_database where datname = current_database()), 0)`
  })
}

async function schemaOf(sql: postgres.Sql): Promise<string> {
  const [found] = await sql<{ schema: string | null; loaded: boolean }[]>`
    select (select nspname from pg_extension join pg_namespace on pg_namespace.oid = extnamespace
        where extname = 'pg_stat_statements') as schema,
      exists (select from pg_settings where name = 'pg_stat_statements.max') as loaded`
  if (!found?.loaded) {
    throw missing(
      "pg_stat_statements is not loaded: shared_preload_libraries = 'pg_stat_statements' in postgresql.conf, and a restart",
    )
  }
  if (found.schema === null) {
    throw missing(
      'pg_stat_statements is loaded but not in this database: CREATE EXTENSION pg_stat_statements, as a superuser',
    )
  }
  return found.schema
}

function missing(message: string): AppError {
  return new AppError('STATISTICS_MISSING', 503, message)
}
