import { Gauge, type Registry } from '@prometheus-io/client'
import { sql } from 'drizzle-orm'
import { getTableConfig, type PgTable } from 'drizzle-orm/pg-core'
import type { Database } from './database.ts'
import { type Statement, statement } from './statement.ts'

/** A check constraint of the schema that does not hold for every row. */
export interface RowFault {
  readonly table: string
  readonly constraint: string
  /** `absent`: dropped, or not migrated yet. `not validated`: it applies to new rows only. */
  readonly state: 'absent' | 'not validated'
  /** Rows that break it, counted up to 1,000. Lists and reports leave them out. */
  readonly rows: number
  /** Finds these rows. */
  readonly query: string
}

export interface RowAudit {
  /** Checks now. @throws what the database throws */
  run(): Promise<RowFault[]>
  close(): void
}

export interface RowAuditOptions {
  readonly database: Database
  /** Their check constraints are audited. */
  readonly tables: readonly PgTable[]
  /** Called for each fault of each run. */
  readonly onFault: (fault: RowFault) => void
  readonly registry?: Registry
}

const INTERVAL_MS = 600_000
const MAX_ROWS = 1_000

interface RowCheck {
  readonly table: string
  readonly constraint: string
  readonly count: Statement<object, { count: number }>
  readonly query: string
}

const constraintsInForce = statement<object, { name: string; validated: boolean }>(
  'row_checks',
  () => sql`select conname as name, convalidated as validated from pg_constraint
    where contype = 'c' and connamespace = current_schema()::regnamespace`,
)

/**
 * Every 10 minutes, reads from the catalog whether the check constraints are in force for all rows. Only where one is not, counts the
 * rows that break it: lists leave these rows out, so nothing else would report them.
 */
export function createRowAudit({ database, tables, onFault, registry }: RowAuditOptions): RowAudit {
  const checks = tables.flatMap(checksOf)
  const gauges = registry && createGauges(registry)
  const timer = setInterval(runInBackground, INTERVAL_MS).unref()
  runInBackground()

  function runInBackground(): void {
    run().catch(() => {})
  }

  async function run(): Promise<RowFault[]> {
    const inForce = await database.primary.run(constraintsInForce, {})
    const validated = new Map(inForce.map(({ name, validated }) => [name, validated]))
    const faults: RowFault[] = []
    for (const { table, constraint, count, query } of checks) {
      if (validated.get(constraint) === true) continue
      const counted = await database.cancellable.first(count, {})
      const state = validated.has(constraint) ? 'not validated' : 'absent'
      faults.push({ table, constraint, state, rows: counted?.count ?? 0, query })
    }
    gauges?.missing.set(faults.length)
    gauges?.broken.reset()
    for (const fault of faults) {
      gauges?.broken.set({ table: fault.table, constraint: fault.constraint }, fault.rows)
      onFault(fault)
    }
    return faults
  }

  return { run, close: () => clearInterval(timer) }
}

function checksOf(table: PgTable): RowCheck[] {
  const { name, checks } = getTableConfig(table)
  return checks.map(({ name: constraint, value: condition }) => {
    // As a check constraint does, this accepts a row for which the condition is null.
    const rows = sql`from ${sql.identifier(name)} where not (${condition})`
    const count = statement<object, { count: number }>(
      `count_${constraint}`,
      () => sql`select count(*) as count from (select ${rows} limit ${sql.raw(String(MAX_ROWS))}) as broken`,
    )
    const found = statement<object, object>(constraint, () => sql`select * ${rows}`)
    return { table: name, constraint, count, query: found.compiled().text }
  })
}

function createGauges(registry: Registry) {
  return {
    broken: new Gauge({
      name: 'db_rows_not_representable',
      help: 'Rows that break a check which is absent or not validated, up to 1,000: lists and reports leave them out',
      labelNames: ['table', 'constraint'],
      registers: [registry],
    }),
    missing: new Gauge({
      name: 'db_row_checks_missing',
      help: 'Check constraints of the schema that are absent or not validated',
      registers: [registry],
    }),
  }
}
