import { AppError } from '@reference/errors'
import { sql } from 'drizzle-orm'
import type { Database } from './database.ts'
import { isMissingTable } from './errors.ts'
import { statement } from './statement.ts'

/** A migration of the code, from Drizzle's journal. */
export interface Migration {
  readonly name: string
  /** In milliseconds since 1970. Identifies the migration in Drizzle's table. */
  readonly createdAt: number
}

export interface MigrationCheckOptions {
  readonly database: Database
  readonly migrations: readonly Migration[]
  /** Called with the names of the migrations that are not applied, when these are others than before. */
  onUnapplied(names: readonly string[]): void
}

const APPLIED = statement<object, { at: string }>(
  'applied_migrations',
  () => sql`select created_at::text as at from drizzle.__drizzle_migrations`,
)

/** Migrations of the code are not applied in the database. `publicReason` has their names, for `/ready`. */
class UnappliedMigrationsError extends AppError<'MIGRATIONS_NOT_APPLIED'> {
  readonly publicReason: string

  constructor(names: readonly string[]) {
    const reason = `not applied: ${names.join(', ')}`
    super('MIGRATIONS_NOT_APPLIED', 503, `Migrations are ${reason}`)
    this.publicReason = reason
  }
}

/**
 * Checks that every migration of the code is applied in the database. The database is read until that is so, and never again: a
 * migration that was applied stays applied.
 *
 * @returns a function that rejects with `MIGRATIONS_NOT_APPLIED`. It resolves if the list cannot be read: other checks report a
 *   database that is unavailable, and a role that may not read the list was made by an earlier release.
 */
export function createMigrationCheck(
  options: MigrationCheckOptions,
): (signal?: AbortSignal) => Promise<void> {
  const { database, migrations, onUnapplied } = options
  let isComplete = false
  let reported = ''

  return async (signal) => {
    if (isComplete) return
    const applied = await readApplied(database, signal)
    if (applied === undefined) return
    const names = migrations.filter(({ createdAt }) => !applied.has(createdAt)).map(({ name }) => name)
    isComplete = names.length === 0
    if (isComplete) return
    if (reported !== names.join()) onUnapplied(names)
    reported = names.join()
    throw new UnappliedMigrationsError(names)
  }
}

/** For `onUnapplied`: one line of the log. */
export function warnOfMigrations(
  logger: { warn(details: object, message: string): void },
  migrations: readonly string[],
): void {
  logger.warn(
    { migrations },
    'migrations are not applied in the database, to apply them type: pnpm db:migrate',
  )
}

/** The times of the applied migrations; undefined if they cannot be read. */
async function readApplied(
  { primary }: Database,
  signal: AbortSignal | undefined,
): Promise<ReadonlySet<number> | undefined> {
  try {
    const rows = await primary.run(APPLIED, {}, { signal, urgent: true })
    return new Set(rows.map(({ at }) => Number(at)))
  } catch (error) {
    return isMissingTable(error) ? new Set() : undefined
  }
}
