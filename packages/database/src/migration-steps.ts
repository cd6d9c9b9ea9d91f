import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { delay } from '@reference/async'
import { AppError } from '@reference/errors'
import { type MigrationMeta, readMigrationFiles } from 'drizzle-orm/migrator'
import type postgres from 'postgres'

/**
 * How long a migration waits for the lock of a table before it retries. While `alter table` waits for a long transaction, every
 * later statement on the table waits for `alter table`, so it must not wait for long.
 */
const LOCK_TIMEOUT_MS = 2_000
const LOCK_PAUSE_MS = 1_000
/** A report may hold a table for 50 s, and a dump for minutes. */
const LOCK_ATTEMPTS = 100

const CHECK_VIOLATION = '23514'
const LOCK_NOT_AVAILABLE = '55P03'

/** Existing rows break a check that a migration validates. The message contains the query that finds them. */
export class RowsBreakCheckError extends AppError<'MIGRATION_ROWS_BREAK_CHECK'> {
  readonly table: string
  readonly constraint: string

  constructor(table: string, constraint: string, condition: string, cause: unknown) {
    const query = `select * from ${table} where not (${condition});`
    super(
      'MIGRATION_ROWS_BREAK_CHECK',
      500,
      `Rows of the table ${table} break its check ${constraint}. This migration changed nothing, and the services keep working: ` +
        `lists and reports leave these rows out, and no new ones can be written. Find them with\n\n  ${query}\n\n` +
        'repair or delete them, and run the migration again.',
      { cause },
    )
    this.table = table
    this.constraint = constraint
  }
}

/** What `migrate()` did, by the names of the migrations. */
export interface MigrationOutcome {
  /** Applied now, in this order. */
  readonly applied: readonly string[]
  /** Applied before with another text: their change has no effect on this database. */
  readonly changed: readonly string[]
}

/** The text of the file that `drizzle-kit generate --custom` writes. Recorded as applied, its later statements would never run. */
const PLACEHOLDER = '-- Custom SQL migration file, put your code below! --'

/** A custom migration has no statement yet. */
const migrationIsEmpty = (name: string) =>
  new AppError(
    'MIGRATION_IS_EMPTY',
    500,
    `The migration ${name} has no statement yet: write it, or remove its comment to apply it as it is`,
  )

/**
 * Applies the migrations that the database lacks, each in its own transaction, and records them in Drizzle's table. Drizzle's
 * migrator applies all of them in one transaction: a lock of the first would be held until the last has ended. It also skips a
 * migration that is older than the newest applied one, such as that of a branch that was merged late.
 *
 * @throws `MIGRATION_IS_EMPTY`
 * @throws RowsBreakCheckError
 */
export async function applyMigrations(
  client: postgres.Sql,
  options: { migrationsFolder: string; lockTimeoutMs?: number; lockAttempts?: number },
): Promise<MigrationOutcome> {
  const { migrationsFolder, lockTimeoutMs = LOCK_TIMEOUT_MS, lockAttempts = LOCK_ATTEMPTS } = options
  await client`create schema if not exists drizzle`
  await client`
    create table if not exists drizzle.__drizzle_migrations (id serial primary key, hash text not null, created_at bigint)`
  const rows = await client<{ at: string; hash: string }[]>`
    select created_at::text as at, hash from drizzle.__drizzle_migrations`
  const hashes = new Map(rows.map(({ at, hash }) => [Number(at), hash]))
  const names = namesOf(migrationsFolder)
  const [applied, changed]: [string[], string[]] = [[], []]
  for (const migration of readMigrationFiles({ migrationsFolder })) {
    const name = names.get(migration.folderMillis) ?? String(migration.folderMillis)
    const hash = hashes.get(migration.folderMillis)
    if (hash !== undefined) {
      if (hash !== migration.hash) changed.push(name)
      continue
    }
    if (migration.sql.join('').trim() === PLACEHOLDER) throw migrationIsEmpty(name)
    await applyWhenUnlocked(client, migration, lockTimeoutMs, lockAttempts)
    applied.push(name)
  }
  return { applied, changed }
}

/** The names of the migrations by their time, which identifies them in Drizzle's table. */
function namesOf(migrationsFolder: string): Map<number, string> {
  const text = readFileSync(join(migrationsFolder, 'meta', '_journal.json'), 'utf8')
  const { entries } = JSON.parse(text) as { entries: { when: number; tag: string }[] }
  return new Map(entries.map(({ when, tag }) => [when, tag]))
}

async function applyWhenUnlocked(
  client: postgres.Sql,
  migration: MigrationMeta,
  lockTimeoutMs: number,
  attempts: number,
): Promise<void> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await apply(client, migration, lockTimeoutMs)
    } catch (error) {
      const { code } = error as { code?: string }
      if (code === CHECK_VIOLATION) throw await withQuery(client, error as postgres.PostgresError)
      if (code !== LOCK_NOT_AVAILABLE || attempt === attempts) throw error
    }
    await delay(LOCK_PAUSE_MS)
  }
}

async function apply(client: postgres.Sql, migration: MigrationMeta, lockTimeoutMs: number): Promise<void> {
  await client.begin(async (tx) => {
    await tx`select set_config('lock_timeout', ${`${lockTimeoutMs}ms`}, true)`
    for (const statement of migration.sql) await tx.unsafe(statement)
    await tx`
      insert into drizzle.__drizzle_migrations (hash, created_at) values (${migration.hash}, ${migration.folderMillis})`
  })
}

/** Adds the query, with the condition as Postgres writes it, taken from `CHECK ((…)) NOT VALID`. */
async function withQuery(client: postgres.Sql, error: postgres.PostgresError): Promise<Error> {
  const { table_name: table = '', constraint_name: constraint = '' } = error
  const [row] = await client<{ definition: string }[]>`
    select pg_get_constraintdef(oid) as definition from pg_constraint
    where conname = ${constraint} and conrelid = to_regclass(quote_ident(${table}))`
  const condition = /^CHECK \((.*)\)(?: NOT VALID)?$/s.exec(row?.definition ?? '')?.[1]
  return condition === undefined ? error : new RowsBreakCheckError(table, constraint, condition, error)
}
