import type postgres from 'postgres'
import { withClient } from './client.ts'
import {
  type Access,
  accessesOf,
  BIG_TABLE_ROWS,
  buffersOf,
  faultsOf,
  type PlanNode,
  tablesWithoutIndex,
} from './plan.ts'
import { liftLimits } from './role-settings.ts'
import type { Statement } from './statement.ts'

export interface ExplainedStatement {
  readonly query: string
  /** Why it may read a whole table. `undefined`: it must use an index. */
  readonly fullScanReason: string | undefined
  readonly faults: readonly string[]
  readonly accesses: readonly Access[]
  readonly milliseconds: number | undefined
  readonly buffers: { readonly hit: number; readonly read: number }
  /** As EXPLAIN prints it. */
  readonly text: string
}

export interface Explanation {
  readonly queries: readonly ExplainedStatement[]
  /** Rows of each table, as the planner estimates them. */
  readonly tables: ReadonlyMap<string, number>
  /** Foreign keys without an index: a delete of a parent reads the whole child table. */
  readonly keys: readonly string[]
}

/** Postgres makes a new plan for the first five executions of a prepared statement, and may then keep one for all. */
const CUSTOM_PLANS = 5

/**
 * Asks Postgres how it runs statements: EXPLAIN (ANALYZE, BUFFERS) of each, prepared as the services prepare it, with the plan of
 * the sixth execution. Each runs with its sample, in a transaction that is rolled back. Inserts are planned and not run, because they
 * would consume ids.
 *
 * @param options.url Postgres itself: a prepared statement belongs to a session
 * @throws TypeError for a statement without a sample
 */
export async function explain(options: {
  url: string
  statements: readonly Statement<object, unknown>[]
}): Promise<Explanation> {
  return withClient(options.url, 'explain', async (client) => {
    const tables = await countTables(client)
    const queries: ExplainedStatement[] = []
    for (const statement of options.statements) queries.push(await explainOne(client, statement, tables))
    return { queries, tables, keys: await keysWithoutIndex(client) }
  })
}

/** Rolls the transaction back without an error for the caller. */
const ROLLBACK = new Error('rolled back')

async function explainOne(
  client: postgres.Sql,
  statement: Statement<object, unknown>,
  tables: ReadonlyMap<string, number>,
): Promise<ExplainedStatement> {
  let explained: ExplainedStatement | undefined
  await client
    .begin(async (tx) => {
      await tx.unsafe(liftLimits('transaction'))
      explained = await explainIn(tx, statement, tables)
      throw ROLLBACK
    })
    .catch((error: unknown) => {
      if (error !== ROLLBACK) throw error
    })
  if (explained === undefined) throw new Error(`${statement.name} was not explained`)
  return explained
}

async function explainIn(
  tx: postgres.TransactionSql,
  { name, sample, fullScanReason, compiled }: Statement<object, unknown>,
  tables: ReadonlyMap<string, number>,
): Promise<ExplainedStatement> {
  if (sample === undefined) throw new TypeError(`The statement ${name} has no sample`)
  const { text, bind } = compiled()
  const values = bind(sample).map(literal)
  const execute = `execute explained${values.length > 0 ? `(${values.join(', ')})` : ''}`
  const options = /^\s*insert\b/i.test(text) ? 'buffers' : 'analyze, buffers'
  const planOf = async (how: string): Promise<PlanNode & { milliseconds: number | undefined }> => {
    const [row] = await tx.unsafe(`explain (${how}, format json) ${execute}`)
    const [explained] = (row?.['QUERY PLAN'] ?? []) as { Plan: PlanNode; 'Execution Time'?: number }[]
    if (explained === undefined) throw new Error(`Postgres returned no plan for ${name}`)
    return { ...explained.Plan, milliseconds: explained['Execution Time'] }
  }
  await tx.unsafe(`prepare explained as ${text}`)
  for (let done = 0; done < CUSTOM_PLANS; done++) await planOf('costs')
  const plan = await planOf(options)
  const lines = await tx.unsafe(`explain (${options}) ${execute}`)
  const faults = fullScanReason === undefined ? faultsOf(plan, tables) : []
  if (fullScanReason === undefined && faults.length === 0) {
    // Postgres rightly reads a small table whole. With that forbidden, the plan shows whether an index exists.
    await tx.unsafe('set local enable_seqscan = off')
    await tx.unsafe('deallocate explained')
    await tx.unsafe(`prepare explained as ${text}`)
    faults.push(...tablesWithoutIndex(await planOf('costs')))
  }
  await tx.unsafe('deallocate explained')
  return {
    query: name,
    fullScanReason,
    faults,
    accesses: accessesOf(plan),
    milliseconds: plan.milliseconds,
    buffers: buffersOf(plan),
    text: lines.map((line) => line['QUERY PLAN']).join('\n'),
  }
}

/** Values as text that Postgres reads by the type of the parameter. */
function literal(value: unknown): string {
  if (value === null) return 'null'
  if (!Array.isArray(value)) return `'${String(value).replaceAll("'", "''")}'`
  const items = value.map((item) => `"${String(item).replace(/["\\]/g, '\\$&')}"`)
  return literal(`{${items.join(',')}}`)
}

async function countTables(client: postgres.Sql): Promise<Map<string, number>> {
  const rows = await client<{ name: string; rows: number }[]>`
    select relname as name, greatest(reltuples, 0)::float8 as rows from pg_class
    where relkind = 'r' and relnamespace = 'public'::regnamespace`
  return new Map(rows.map(({ name, rows }) => [name, rows]))
}

/** Foreign keys of big tables without an index that starts with their columns. */
async function keysWithoutIndex(client: postgres.Sql): Promise<string[]> {
  const rows = await client<{ line: string }[]>`
    select format('%s (%s): no index, so each delete in %s reads all of it', conrelid::regclass, (
        select string_agg(attname, ', ') from pg_attribute where attrelid = conrelid and attnum = any(conkey)
      ), confrelid::regclass) as line
    from pg_constraint join pg_class on pg_class.oid = conrelid
    where contype = 'f' and connamespace = 'public'::regnamespace and reltuples >= ${BIG_TABLE_ROWS}
      and not exists (
        select from pg_index where indrelid = conrelid and indpred is null
          and (string_to_array(indkey::text, ' ')::int2[])[1:cardinality(conkey)] @> conkey
      )`
  return rows.map(({ line }) => line)
}
