import { postgresServer } from '@reference/postgres'
import type postgres from 'postgres'
import { withClient } from './client.ts'
import { MIGRATION_LOCK, setRoleSettings } from './migrate.ts'

export interface GrantOptions {
  /** The role that owns the tables. */
  readonly ownerUrl: string
  /** The role of the services. Past PgBouncer, like the owner's. */
  readonly url: string
  readonly schemas: readonly string[]
}

/**
 * Lets the role of the services read and write the rows of the schemas, of future tables too, and nothing else: it cannot create,
 * change, empty or drop a table. It sees no other schema, except for the list of applied migrations, which it may read. Does nothing when both URLs name one role.
 *
 * Also gives the role its session settings, which it sets itself: only a superuser could do it for another role.
 */
export async function grantRows({ ownerUrl, url, schemas }: GrantOptions): Promise<void> {
  const role = postgresServer(url).user
  if (role === postgresServer(ownerUrl).user) return
  await withClient(ownerUrl, 'grant', async (client) => {
    // Two deployments that grant at the same time would update the same rows of the catalog.
    await client`select pg_advisory_lock(${MIGRATION_LOCK})`
    for (const schema of schemas) await grantIn(client, schema, role)
    await client`grant usage on schema drizzle to ${client(role)}`
    await client`grant select on drizzle.__drizzle_migrations to ${client(role)}`
  })
  await withClient(url, 'grant', setRoleSettings)
}

async function grantIn(client: postgres.Sql, schemaName: string, roleName: string): Promise<void> {
  const [schema, role] = [client(schemaName), client(roleName)]
  await client`revoke all on schema ${schema} from ${role}`
  await client`grant usage on schema ${schema} to ${role}`
  await client`grant select, insert, update, delete on all tables in schema ${schema} to ${role}`
  await client`grant usage, select on all sequences in schema ${schema} to ${role}`
  await client`alter default privileges in schema ${schema} grant select, insert, update, delete on tables to ${role}`
  await client`alter default privileges in schema ${schema} grant usage, select on sequences to ${role}`
}
