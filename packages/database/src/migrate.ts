import type postgres from 'postgres'
import { withClient } from './client.ts'
import { applyMigrations, type MigrationOutcome } from './migration-steps.ts'
import { liftLimits, ROLE_SETTINGS } from './role-settings.ts'

/** An arbitrary number. Nothing else in this database locks it. */
export const MIGRATION_LOCK = 7_202_611

export interface MigrateOptions {
  /** Must reach Postgres itself: the lock belongs to a session, and PgBouncer divides one connection among sessions. */
  readonly url: string
  /** The folder that drizzle-kit writes. */
  readonly migrationsFolder: string
}

/**
 * Brings the database to the newest schema; does nothing when it has that schema. Several processes may call it at
 * once: one works, the others wait for its lock and then find nothing to do.
 */
export async function migrate(options: MigrateOptions): Promise<MigrationOutcome> {
  return withClient(options.url, 'migrate', async (client) => {
    // Building an index on a large table may take longer than a request may.
    await client.unsafe(liftLimits('session'))
    await client`select pg_advisory_lock(${MIGRATION_LOCK})`
    const outcome = await applyMigrations(client, { migrationsFolder: options.migrationsFolder })
    await setRoleSettings(client)
    return outcome
  })
}

/**
 * Gives the role of this connection its settings. Each time and not as a numbered migration: a dump and a copy by TEMPLATE keep the tables and lose these. Per
 * database, so that migrations of two databases of one server never update the same catalog row.
 */
export async function setRoleSettings(client: postgres.Sql): Promise<void> {
  const rows = await client<{ setting: string }[]>`
    select unnest(setconfig) as setting from pg_db_role_setting
    where setrole = current_user::regrole and setdatabase = (select oid from pg_database where datname = current_database())`
  const present = new Set(rows.map((row) => row.setting))
  for (const [name, value] of Object.entries(ROLE_SETTINGS)) {
    if (present.has(`${name}=${value}`)) continue
    // No row for a setting that this version of Postgres does not have.
    const [line] = await client<{ line: string }[]>`
      select format('alter role %I in database %I set %s = ', current_user, current_database(), name)
        || (select string_agg(quote_literal(item), ', ') from unnest(string_to_array(${value}::text, ', ')) as item) as line
      from pg_settings where lower(name) = lower(${name})`
    if (line !== undefined) await client.unsafe(line.line)
  }
}
