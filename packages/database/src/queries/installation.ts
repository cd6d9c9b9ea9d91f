import { type SQL, sql } from 'drizzle-orm'
import { installation } from '../schema.ts'
import { statement } from '../statement.ts'

/** Distinguishes one database from another. Each part covers another way in which a database replaces another. */
export interface InstallationParts {
  /** Random: created by the migration, and again by a seed. */
  readonly id: string
  /** Changes with `create database`, also from a template. */
  readonly databaseOid: string
  /** Changes when a dump is restored into the same database. */
  readonly tableOid: string
  /**
   * Created by `initdb`, and the same on a standby: two servers into which one dump was restored may differ in it alone. Null
   * where it was not read.
   */
  readonly system: string | null
}

const parts = (system: SQL) => sql`select ${installation.id}::text as id, d.oid::text as "databaseOid",
    'public.installation'::regclass::oid::text as "tableOid", ${system} as system
  from ${installation} cross join pg_database as d
  where ${installation.single} and d.datname = current_database()`

export const installationParts = statement<object, InstallationParts>(
  'installation_parts',
  () => parts(sql`(select system_identifier::text from pg_control_system())`),
  { sample: {} },
)

/** For a role that may not call `pg_control_system`, and for servers that lack it. */
export const installationPartsWithoutSystem = statement<object, InstallationParts>(
  'installation_parts_without_system',
  () => parts(sql`null::text`),
  { sample: {} },
)

/** Inserts the row again when a reset of all tables has removed it. */
export const installationInsert = statement<object, never>(
  'installation_insert',
  () => sql`insert into ${installation} default values on conflict do nothing`,
  { sample: {} },
)
