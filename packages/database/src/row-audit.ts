import { sql } from 'drizzle-orm'
import { getTableConfig } from 'drizzle-orm/pg-core'
import { Gauge, type Registry } from 'prom-client'
import type { Database } from './database.ts'
import { orders, products, settings, users } from './schema.ts'
import { type Statement, statement } from './statement.ts'

/** A check of the schema that does not hold for every row. */
export interface RowFault {
  readonly table: string
  readonly constraint: string
  /** `absent`: dropped, or not migrated yet. `not validated`: it holds new rows only. */
  readonly state: 'absent' | 'not validated'
  /** Rows that break it, counted up to 1,000: lists and reports leave them out. */
  readonly rows: number
  /** Finds them. */
  readonly query: string
}

export interface RowAudit {
  /** Looks now. Throws what the database throws. */
  run(): Promise<RowFault[]>
  close(): void
}

const EVERY_MS = 600_000
const MOST_ROWS = 1_000

const checks = [users, products, orders, settings].flatMap((table) => {
  const { name, checks } = getTableConfig(table)
  return checks.map((check) => ({
    table: name,
    constraint: check.name,
    broken: brokenRows(check.name, name, check.value),
  }))
})

type Broken = { count: Statement<object, { count: number }>; query: string }

function brokenRows(constraint: string, table: string, condition: ReturnType<typeof sql>): Broken {
  // As a check does, this takes a condition that is null for met.
  const rows = sql`from ${sql.identifier(table)} where not (${condition})`
  const count = statement<object, { count: number }>(
    `count_${constraint}`,
    () => sql`select count(*) as count from (select ${rows} limit ${sql.raw(String(MOST_ROWS))}) as broken`,
  )
  const found = statement<object, object>(constraint, () => sql`select * ${rows}`)
  return { count, query: found.compiled().text }
}

const constraintsInForce = statement<object, { name: string; validated: boolean }>(
  'row_checks',
  () => sql`select conname as name, convalidated as validated from pg_constraint
    where contype = 'c' and connamespace = current_schema()::regnamespace`,
)

/**
 * Looks every 10 minutes whether the checks of the schema are in force for all rows, which one look into the catalog
 * says. Only where one is not, the rows that break it are counted: lists leave them out, so nothing else would tell.
 *
 * @param onFault is called for each fault of each look
 */
export function createRowAudit(options: {
  database: Database
  onFault: (fault: RowFault) => void
  registry?: Registry
}): RowAudit {
  const { database, onFault, registry } = options
  const broken =
    registry &&
    new Gauge({
      name: 'db_rows_not_representable',
      help: 'Rows that break a check which is absent or not validated, up to 1,000: lists and reports leave them out',
      labelNames: ['table', 'constraint'],
      registers: [registry],
    })
  const missing =
    registry &&
    new Gauge({
      name: 'db_row_checks_missing',
      help: 'Check constraints of the schema that are absent or not validated',
      registers: [registry],
    })
  const look = () => void run().catch(() => {})
  const timer = setInterval(look, EVERY_MS).unref()
  look()

  async function run(): Promise<RowFault[]> {
    const inForce = await database.primary.run(constraintsInForce, {})
    const validated = new Map(inForce.map(({ name, validated }) => [name, validated]))
    const faults: RowFault[] = []
    for (const { table, constraint, broken } of checks) {
      if (validated.get(constraint) === true) continue
      const counted = await database.cancellable.first(broken.count, {})
      const state = validated.has(constraint) ? 'not validated' : 'absent'
      faults.push({ table, constraint, state, rows: counted?.count ?? 0, query: broken.query })
    }
    missing?.set(faults.length)
    broken?.reset()
    for (const fault of faults) {
      broken?.set({ table: fault.table, constraint: fault.constraint }, fault.rows)
      onFault(fault)
    }
    return faults
  }

  return { run, close: () => clearInterval(timer) }
}
