import type postgres from 'postgres'
import { createClient } from './client.ts'
import { translate } from './errors.ts'
import {
  type Access,
  accessesOf,
  bigFromRows,
  buffersOf,
  faultsOf,
  type PlanNode,
  tablesWithoutIndex,
} from './plan.ts'
import { type Sample, samples } from './samples.ts'

export type Explained = {
  query: string
  /** `undefined`: hot. Otherwise why it may read as much as it does. */
  whole: string | undefined
  faults: string[]
  accesses: Access[]
  milliseconds: number | undefined
  buffers: { hit: number; read: number }
  /** As EXPLAIN prints it. */
  text: string
}

export type Explanation = { queries: Explained[]; tables: Map<string, number>; keys: string[] }

/** Postgres plans a prepared statement anew for its first five executions, then may settle for one plan for all. */
const customPlans = 5

/**
 * Asks Postgres how it runs the statements of the services: EXPLAIN (ANALYZE, BUFFERS) of each, prepared, as the services
 * send it, with the plan that it has from the sixth execution on. In a transaction that is rolled back; inserts are
 * planned and not run, since that would use up ids.
 *
 * @param options.url Postgres itself: what is prepared belongs to a session
 * @param options.only names of statements; all of them unless given
 * @returns `keys`: foreign keys without an index, whose parents' deletes read the whole child
 */
export async function explain(options: { url: string; only?: string[] | undefined }): Promise<Explanation> {
  const client = createClient(options.url, 'explain')
  try {
    const tables = await countTables(client)
    const chosen = samples.filter(({ statement }) => options.only?.includes(statement.name) ?? true)
    const queries: Explained[] = []
    for (const sample of chosen) queries.push(await explainOne(client, sample, tables))
    return { queries, tables, keys: await keysWithoutIndex(client) }
  } catch (error) {
    throw translate(error)
  } finally {
    await client.end()
  }
}

async function explainOne(
  client: postgres.Sql,
  sample: Sample,
  tables: ReadonlyMap<string, number>,
): Promise<Explained> {
  const { statement, params, whole } = sample
  const { text, bind } = statement.compiled()
  const given = bind(params).map(literal)
  const execute = `execute explained${given.length > 0 ? `(${given.join(', ')})` : ''}`
  const runs = !/^\s*insert\b/i.test(text)
  const options = runs ? 'analyze, buffers' : 'buffers'
  let found: Explained | undefined
  await client
    .begin(async (tx) => {
      await tx.unsafe('set local statement_timeout = 0')
      const planOf = async (how: string): Promise<PlanNode & { milliseconds: number | undefined }> => {
        const [row] = await tx.unsafe(`explain (${how}, format json) ${execute}`)
        const [explained] = (row?.['QUERY PLAN'] ?? []) as { Plan: PlanNode; 'Execution Time'?: number }[]
        if (explained === undefined) throw new Error(`Postgres gave no plan for ${statement.name}`)
        return { ...explained.Plan, milliseconds: explained['Execution Time'] }
      }
      await tx.unsafe(`prepare explained as ${text}`)
      for (let done = 0; done < customPlans; done++) await planOf('costs')
      const plan = await planOf(options)
      const lines = await tx.unsafe(`explain (${options}) ${execute}`)
      const faults = whole === undefined ? faultsOf(plan, tables) : []
      if (whole === undefined && faults.length === 0) {
        // A table that is still small is rightly read whole; whether an index is there shows when that is forbidden.
        await tx.unsafe('set local enable_seqscan = off')
        await tx.unsafe('deallocate explained')
        await tx.unsafe(`prepare explained as ${text}`)
        faults.push(...tablesWithoutIndex(await planOf('costs')))
      }
      await tx.unsafe('deallocate explained')
      found = {
        query: statement.name,
        whole,
        faults,
        accesses: accessesOf(plan),
        milliseconds: plan.milliseconds,
        buffers: buffersOf(plan),
        text: lines.map((line) => line['QUERY PLAN']).join('\n'),
      }
      throw rollback
    })
    .catch((error: unknown) => {
      if (error !== rollback) throw error
    })
  if (found === undefined) throw new Error(`${statement.name} was not explained`)
  return found
}

const rollback = new Error('rolled back')

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

/** The keys of big tables that have no index which starts with their columns. */
async function keysWithoutIndex(client: postgres.Sql): Promise<string[]> {
  const rows = await client<{ line: string }[]>`
    select format('%s (%s): no index, so each delete in %s reads all of it', conrelid::regclass, (
        select string_agg(attname, ', ') from pg_attribute where attrelid = conrelid and attnum = any(conkey)
      ), confrelid::regclass) as line
    from pg_constraint join pg_class on pg_class.oid = conrelid
    where contype = 'f' and connamespace = 'public'::regnamespace and reltuples >= ${bigFromRows}
      and not exists (
        select from pg_index where indrelid = conrelid and indpred is null
          and (string_to_array(indkey::text, ' ')::int2[])[1:cardinality(conkey)] @> conkey
      )`
  return rows.map(({ line }) => line)
}
