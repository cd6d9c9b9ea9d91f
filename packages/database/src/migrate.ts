import { fileURLToPath } from 'node:url'
import { sessionSettings } from '@reference/postgres'
import type postgres from 'postgres'
import { createClient } from './client.ts'
import { translate } from './errors.ts'
import { applyMigrations } from './migration-steps.ts'
import { roleLimitMs } from './presets.ts'

/**
 * What a session of the role has in this database. They lie on the role, since PgBouncer drops or refuses them when a client
 * sends them at its start, and in this database, since that goes before what is set for the role or the database alone.
 *
 * - The settings that change what statements mean: sent at the start as well, which PgBouncer allows for some only.
 * - A statement of a call takes milliseconds; one that takes 10 s is lost and holds a connection that others wait
 *   for, and the caller has left. `/report` asks for more with SET LOCAL.
 * - A transaction that sits idle holds locks and keeps vacuum from cleaning. Ours never wait for anything but the
 *   database and one enqueue, so 10 s without a statement means that its process hangs.
 */
const roleSettings: Readonly<Record<string, string>> = {
  ...sessionSettings,
  statement_timeout: `${roleLimitMs / 1000}s`,
  idle_in_transaction_session_timeout: '10s',
}

// Any number that nothing else in this database locks.
const migrationLock = 7_202_611

/**
 * Brings the database to the newest schema; does nothing when it is there already. Several processes may call it at
 * once: one works, the others wait for its lock and find nothing left to do.
 *
 * @param options.url must reach Postgres itself: the lock belongs to the session, which PgBouncer would divide.
 */
export async function migrate(options: { url: string }): Promise<void> {
  const client = createClient(options.url, 'migrate')
  try {
    // Building an index on a grown table may take longer than any call is allowed to.
    await client`set statement_timeout = 0`
    await client`select pg_advisory_lock(${migrationLock})`
    const migrationsFolder = fileURLToPath(new URL('../migrations', import.meta.url))
    await applyMigrations(client, { migrationsFolder })
    await setRoleSettings(client)
  } catch (error) {
    throw translate(error)
  } finally {
    await client.end()
  }
}

/**
 * Each time and not as a numbered migration: a dump and a copy by TEMPLATE keep the tables and lose these. Per
 * database, so that migrations of two databases of one server never update the same catalog row.
 */
async function setRoleSettings(client: postgres.Sql): Promise<void> {
  const rows = await client<{ setting: string }[]>`
    select unnest(setconfig) as setting from pg_db_role_setting
    where setrole = current_user::regrole and setdatabase = (select oid from pg_database where datname = current_database())`
  const present = new Set(rows.map((row) => row.setting))
  for (const [name, value] of Object.entries(roleSettings)) {
    if (present.has(`${name}=${value}`)) continue
    const [line] = await client<{ line: string }[]>`
      select format('alter role %I in database %I set %s = ', current_user, current_database(), ${name}::text)
        || (select string_agg(quote_literal(item), ', ') from unnest(string_to_array(${value}::text, ', ')) as item) as line`
    if (line !== undefined) await client.unsafe(line.line)
  }
}
