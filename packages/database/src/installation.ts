import { createHash } from 'node:crypto'
import type { Database } from './database.ts'
import { isNotSupported } from './errors.ts'
import { queries } from './queries/index.ts'
import type { InstallationParts } from './queries/installation.ts'

/**
 * Asks the primary which database this is: a short name, such as `db-3f9a1c20be`, that is the same for every process and
 * every way to it, stays the same at a failover, and is another one for every other database, also for one that has
 * taken the place of this one: created anew, restored from a dump, or filled anew by `seed`. A physical copy has the same
 * name until its row of `installation` is given a new id.
 *
 * Roles of which only some may call `pg_control_system` get different names. Their caches are then apart, and both are
 * registered, so that each hears of the other's writes.
 *
 * @throws DB_UNAVAILABLE, or 42P01 before the first migration
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
