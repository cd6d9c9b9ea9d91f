import { createHash } from 'node:crypto'
import type { Database } from './database.ts'
import { isNotSupported } from './errors.ts'
import { queries } from './queries/index.ts'
import type { InstallationParts } from './queries/installation.ts'

/**
 * Reads the identity of the database from the primary: a short name, such as `db-3f9a1c20be`.
 *
 * The name is the same for every process, for every route to the database and after a failover. Another database has another
 * name, even one that replaces this one: created again, restored from a dump, or filled again by a seed. A physical copy has the
 * same name until its row in `installation` gets a new id.
 *
 * If only some roles may call `pg_control_system`, they get different names. Their caches are then separate, and both are
 * registered, so each receives the invalidations of the other's writes.
 *
 * @throws `DB_UNAVAILABLE`; 42P01 before the first migration
 */
export function createInstallationReader({ primary }: Database): () => Promise<string> {
  let knowsSystem = true

  return async () => {
    let parts = await read()
    if (parts === undefined) {
      await primary.run(queries.installationInsert, {})
      parts = await read()
    }
    if (parts === undefined) throw new Error('The table installation has no row')
    const text = [parts.id, parts.databaseOid, parts.tableOid, parts.system ?? ''].join(' ')
    return `db-${createHash('sha256').update(text).digest('hex').slice(0, 10)}`
  }

  async function read(): Promise<InstallationParts | undefined> {
    if (!knowsSystem) return primary.first(queries.installationPartsWithoutSystem, {})
    try {
      return await primary.first(queries.installationParts, {})
    } catch (error) {
      if (!isNotSupported(error)) throw error
      knowsSystem = false
      return read()
    }
  }
}
