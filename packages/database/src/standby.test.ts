import { execFileSync } from 'node:child_process'
import { chmod, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { startPostgres, throwAwaySettings, until } from '@reference/local-stack'
import { migrate, seed } from '@reference/shop'
import { report } from '@reference/shop/report/queries'
import { insertUser } from '@reference/shop/users/queries'
import { sql } from 'drizzle-orm'
import t from 'tap'
import { statement } from './index.ts'
import { openOn } from './testing/open.ts'

const place = statement<object, { standby: boolean; snapshot: string }>(
  'test_place',
  () => sql`select pg_is_in_recovery() as standby, pg_current_snapshot()::text as snapshot`,
)

t.test('a streaming standby serves lists, reports and the parts of a snapshot', async (t) => {
  const folder = await mkdtemp(join(tmpdir(), 'standby-'))
  // The servers may run as another user, which needs access to the folder.
  await chmod(folder, 0o755)
  t.teardown(() => rm(folder, { recursive: true, force: true }))
  const data = join(folder, 'primary')
  const standbyData = join(folder, 'standby')
  const first = await startPostgres({ dataDir: data, settings: throwAwaySettings })
  await migrate({ url: first.databaseUrl })
  await seed({ url: first.databaseUrl, users: 100, products: 10, orders: 1000 })
  await first.stop()
  // The copy keeps its owner, as which the server runs.
  const copy = (from: string, to: string) => execFileSync('cp', ['-a', from, to])
  copy(data, standbyData)
  copy(`${data}.password`, `${standbyData}.password`)
  // The presence of this file makes a standby; its content has no meaning.
  copy(join(data, 'PG_VERSION'), join(standbyData, 'standby.signal'))

  const primary = await startPostgres({ dataDir: data, settings: throwAwaySettings })
  t.teardown(primary.stop)
  const standby = await startPostgres({
    dataDir: standbyData,
    settings: { ...throwAwaySettings, primary_conninfo: primary.superuserUrl },
  })
  t.teardown(standby.stop)
  const database = openOn(t, { url: primary.databaseUrl, replicaUrl: standby.databaseUrl })

  const parts = await database.cancellable.snapshot(3, (each) =>
    Promise.all(each.map((tx) => tx.first(place, {}))),
  )
  t.same(
    parts.map((part) => part?.standby),
    [true, true, true],
  )
  t.equal(new Set(parts.map((part) => part?.snapshot)).size, 1)
  // part:parallel-api
  const rows = await database.cancellable.transaction((tx) => tx.run(report, {}), {
    readOnly: true,
    statementTimeoutMs: 60_000,
  })
  t.ok(rows.length > 0)
  // end:parallel-api

  await database.primary.run(insertUser, { email: 'new@example.com', name: 'New' })
  await until('the standby has the new row', async () => {
    return (await database.replica.sql`select 1 from users where email = 'new@example.com'`).length === 1
  })
})
