import { type TestScope, until } from '@reference/local-stack'
import { sql } from 'drizzle-orm'
import { openOn } from './open.ts'

/** Locks a table of the database, so that other sessions that read or write it wait in the server. */
export async function lockTable(t: TestScope, url: string, table: string) {
  const { primary } = openOn(t, { url, applicationName: 'locker' })
  const { promise: released, resolve: release } = Promise.withResolvers<void>()
  const { promise: locked, resolve: lock } = Promise.withResolvers<void>()
  const transaction = primary.transaction(async (tx) => {
    await tx.drizzle.execute(sql`lock table ${sql.identifier(table)} in access exclusive mode`)
    lock()
    await released
  })
  await Promise.race([locked, transaction])
  /** The sessions that wait for a lock. */
  const waiting = async () => {
    const rows = await primary.sql<{ pid: number }>`select pid from pg_stat_activity
      where datname = current_database() and wait_event_type = 'Lock'`
    return rows.map(({ pid }) => pid)
  }
  return {
    waiting,
    /** Resolves when this number of statements wait for the lock. */
    untilWaiting: (expected: number) =>
      until(`${expected} statements wait`, async () => (await waiting()).length === expected),
    /** Ends the sessions that wait for the lock. */
    endWaiting: () =>
      primary.sql`select pg_terminate_backend(pid) from pg_stat_activity
        where datname = current_database() and wait_event_type = 'Lock'`,
    async release() {
      release()
      await transaction
    },
  }
}
