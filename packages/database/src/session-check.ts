import { differingSettings, SESSION_SETTINGS, type SettingDifference } from '@reference/postgres'
import { sql } from 'drizzle-orm'
import type { Pool } from './pool.ts'
import { statement } from './statement.ts'

/** Receives the session settings of a pool that differ from the values that the services rely on: a pooler has dropped them. */
export type OnSettings = (pool: string, differences: SettingDifference[]) => void

const SESSION_OF = statement<object, { name: string; setting: string }>(
  'session_settings',
  () =>
    sql`select name, setting from pg_catalog.pg_settings where name in (${sql.join(Object.keys(SESSION_SETTINGS), sql`, `)})`,
)

/**
 * Checks the session settings of the primary and of the replica once, and at the next call again if a server did not answer.
 *
 * @returns resolves when the primary is checked. A replica that hangs must not delay it.
 */
export function createSessionCheck(
  pools: ReadonlyMap<string, Pool>,
  onSettings: OnSettings,
): () => Promise<void> {
  const unchecked = new Map([...pools].filter(([name]) => name === 'primary' || name === 'replica'))

  async function check(name: string, pool: Pool): Promise<void> {
    unchecked.delete(name)
    try {
      const differences = differingSettings(await pool.run(SESSION_OF, {}))
      if (differences.length > 0) onSettings(name, differences)
    } catch {
      unchecked.set(name, pool)
    }
  }

  return async () => {
    const checks = new Map([...unchecked].map(([name, pool]) => [name, check(name, pool)]))
    await checks.get('primary')
  }
}
