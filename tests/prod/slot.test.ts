import { query } from '@reference/tools/prod'
import t from 'tap'
import { holdsWithin } from '../testing/load.ts'
import { report, theProduction } from './production.ts'

const { production, docker, one } = theProduction()
const primary = production.state.primary()
const replica = production.state.replica()
const ask = (sql: string) => query(production, primary, sql)

/** Writes more WAL than the slot may keep; a checkpoint then removes the oldest. */
async function loseTheSlot(): Promise<boolean> {
  return holdsWithin(async () => {
    await ask(
      "SELECT pg_logical_emit_message(false, 'filler', repeat('x', 1000000)) FROM generate_series(1, 8)",
    )
    await ask('SELECT pg_switch_wal()')
    await ask('CHECKPOINT')
    return (await ask(`SELECT wal_status FROM pg_replication_slots WHERE slot_name <> 'backup'`)) === 'lost'
  }, 60_000)
}

const streams = () =>
  holdsWithin(
    async () =>
      (await ask(
        `SELECT count(*) FROM pg_stat_replication WHERE state = 'streaming' AND application_name LIKE 'postgres-%'`,
      )) === '1',
    120_000,
  )

const healthy = (id: string) =>
  holdsWithin(
    async () => (await docker(['inspect', '--format', '{{.State.Health.Status}}', id])) === 'healthy',
    60_000,
  )

t.before(async () => {
  for (const [name, value] of [
    ['max_slot_wal_keep_size', '16MB'],
    ['max_wal_size', '32MB'],
    ['min_wal_size', '32MB'],
  ])
    await ask(`ALTER SYSTEM SET ${name} = '${value}'`)
  await ask('SELECT pg_reload_conf()')
})
t.teardown(async () => {
  await ask('ALTER SYSTEM RESET ALL')
  await ask('SELECT pg_reload_conf()')
})

t.test('a replica that was stopped for too long copies the primary again at its start', async (t) => {
  const { id } = await one(replica)
  await docker(['stop', id])
  t.ok(await loseTheSlot(), 'the slot is lost')
  const began = performance.now()
  await docker(['start', id])
  t.ok(await streams())
  report(`a stopped replica streamed ${Math.round((performance.now() - began) / 100) / 10} s after its start`)
  t.ok(await healthy(id))
})

t.test('a replica that hung for too long copies the primary again while it runs', async (t) => {
  const { id } = await one(replica)
  await docker(['pause', id])
  // Postgres ends the sender of a hanging replica after wal_sender_timeout, one minute. This does so at once.
  await ask('SELECT pg_terminate_backend(pid) FROM pg_stat_replication')
  const lost = await loseTheSlot()
  const began = performance.now()
  await docker(['unpause', id])
  t.ok(lost, 'the slot is lost')
  t.ok(await streams())
  report(
    `a replica that hung streamed ${Math.round((performance.now() - began) / 100) / 10} s after it resumed`,
  )
  t.ok(await healthy(id))
  t.not(await docker(['inspect', '--format', '{{.RestartCount}}', id]), '0', 'the container restarted itself')
  const marker = `marker_${Date.now()}`
  await ask(`CREATE TABLE ${marker} ()`)
  t.ok(
    await holdsWithin(
      async () => (await query(production, replica, `SELECT to_regclass('${marker}')`)) === marker,
      10_000,
    ),
    'the replica receives new writes',
  )
  await ask(`DROP TABLE ${marker}`)
})
