import type postgres from 'postgres'
import { createClient } from './client.ts'
import { translate } from './errors.ts'

export const slowOrders = {
  total: 'total_exec_time',
  mean: 'mean_exec_time',
  max: 'max_exec_time',
  calls: 'calls',
  read: 'shared_blks_read',
} as const
export type SlowOrder = keyof typeof slowOrders

export type SlowStatement = {
  query: string
  calls: number
  totalMs: number
  meanMs: number
  maxMs: number
  rows: number
  /** Of the pages of 8 kB that it touched, the share found in shared buffers; null when it touched none. */
  hitRatio: number | null
  /** Of all time that statements took in this database. */
  share: number
}

/** pg_stat_statements is not to be had; the message says what to do. */
export type StatisticsError = Error & { code: 'STATISTICS_MISSING' }

/**
 * The statements that cost most, by pg_stat_statements: the guide's query with the column names since Postgres 13. Only
 * this database's, since the last reset. Statements of other roles need `pg_read_all_stats`, else their text is hidden.
 *
 * @throws StatisticsError
 */
export async function slowStatements(options: {
  url: string
  by: SlowOrder
  limit: number
}): Promise<SlowStatement[]> {
  return withClient(options.url, async (sql) => {
    const schema = await schemaOf(sql)
    return sql<SlowStatement[]>`
      select query, calls::float8 as calls, rows::float8 as rows, total_exec_time as "totalMs",
        mean_exec_time as "meanMs", max_exec_time as "maxMs",
        shared_blks_hit::float8 / nullif(shared_blks_hit + shared_blks_read, 0) as "hitRatio",
        total_exec_time / nullif(sum(total_exec_time) over (), 0) as share
      from ${sql(schema)}.pg_stat_statements
      where dbid = (select oid from pg_database where datname = current_database())
      order by ${sql(slowOrders[options.by])} desc limit ${options.limit}`
  })
}

/** Begins the counting anew; needs a superuser or the right to `pg_stat_statements_reset`. */
export async function resetStatements(options: { url: string }): Promise<void> {
  await withClient(options.url, async (sql) => {
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

function missing(message: string): StatisticsError {
  return Object.assign(new Error(message), { code: 'STATISTICS_MISSING' as const })
}

async function withClient<T>(url: string, use: (sql: postgres.Sql) => Promise<T>): Promise<T> {
  const client = createClient(url, 'slow')
  try {
    return await use(client)
  } catch (error) {
    throw error instanceof Error && 'code' in error && error.code === 'STATISTICS_MISSING'
      ? error
      : translate(error)
  } finally {
    await client.end()
  }
}
