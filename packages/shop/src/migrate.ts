import { fileURLToPath } from 'node:url'
import { type MigrationOutcome, migrate as migrateDatabase } from '@reference/database'

export const MIGRATIONS_FOLDER = fileURLToPath(new URL('../migrations', import.meta.url))

/**
 * Brings the database to the newest schema of shop and platform; does nothing when it has that schema.
 *
 * @param options.url Postgres itself, not PgBouncer
 */
export function migrate({ url }: { url: string }): Promise<MigrationOutcome> {
  return migrateDatabase({ url, migrationsFolder: MIGRATIONS_FOLDER })
}
