import { until } from '@reference/async'
import { createDatabase } from '@reference/database'
import { JobPermanentError } from '@reference/jobs'
import { createHarness, double, flaky, inState, whenReady } from '@reference/jobs/testing'
import { differingSettings, SESSION_SETTINGS } from '@reference/postgres'
import { migrate, POOLS } from '@reference/shop'
import { putSetting, settingByKey, settingsByKeys } from '@reference/shop/settings/queries'
import t from 'tap'
import { findPgBouncer, startPgBouncer } from '../testing/pgbouncer.ts'

const found = await findPgBouncer()

t.test(
  'jobs through PgBouncer in transaction mode',
  'missing' in found ? { skip: found.missing } : {},
  async (t) => {
    if ('missing' in found) return
    const { url: direct, admin, open } = await createHarness(t)
    const { url, version } = await startPgBouncer(t, found.image, direct)
    const [major = 0, minor = 0] = version.split('.').map(Number)
    t.ok(major > 1 || minor >= 21, `PgBouncer ${version} supports prepared statements in transaction mode`)

    // The pools of two processes: more connections than PgBouncer has in Postgres.
    const jobs = open({ databaseUrl: url })
    const others = open({ databaseUrl: url })
    const database = createDatabase({ url, poolSizes: POOLS['reference-api'], applicationName: 'test' })
    t.teardown(() => database.close())
    await whenReady(jobs)

    t.test('sessions do not take the settings of the database and the role', async (t) => {
      await migrate({ url: direct })
      const { pathname, username } = new URL(direct)
      await admin.query(`ALTER DATABASE ${pathname.slice(1)} SET search_path = elsewhere`)
      await admin.query(`ALTER DATABASE ${pathname.slice(1)} SET DateStyle = 'SQL', 'DMY'`)
      await admin.query(
        `SELECT pg_terminate_backend(pid) FROM pg_stat_activity
         WHERE datname = current_database() AND usename = $1 AND pid <> pg_backend_pid()`,
        [username],
      )
      await whenReady(jobs)
      const found = await until(
        'the pool connects',
        () => database.primary.sql<{ name: string; setting: string }>`
          select name, setting from pg_settings where name = any(${Object.keys(SESSION_SETTINGS)}::text[])`,
        { retryErrors: true },
      )
      t.same(differingSettings(found), [])
    })

    t.test('a job is stored if the transaction of its caller commits', async (t) => {
      let lost = ''
      const change = database.primary.transaction(async (tx) => {
        lost = await jobs.enqueue(double, { n: 1 }, { tx })
        throw new Error('rolled back')
      })
      await t.rejects(change, { message: 'rolled back' })
      t.equal(await jobs.get(lost), undefined)
      const kept = await database.primary.transaction((tx) => jobs.enqueue(double, { n: 2 }, { tx }))
      t.match(await others.get(kept), { state: 'queued' })
      t.match(await jobs.cancel(kept), { state: 'cancelled' })
    })

    t.test(
      'many callers enqueue by a prepared statement, and two processes complete every job',
      async (t) => {
        const work = ({ data }: { data: { n: number } }) => ({ twice: data.n * 2 })
        const ids = await Promise.all(
          Array.from({ length: 200 }, (_, n) => (n % 2 === 0 ? jobs : others).enqueue(double, { n })),
        )
        jobs.work(double, work, { concurrency: 10, batchSize: 5 })
        others.work(double, work, { concurrency: 10, batchSize: 5 })
        for (const [n, id] of ids.entries()) {
          t.match(await inState(jobs, id, 'completed'), { result: { twice: n * 2 } })
        }
        const { rows } = await admin.query(
          `SELECT count(*)::int AS connections FROM pg_stat_activity
         WHERE datname = current_database() AND usename = 'reference' AND application_name LIKE 'test%'`,
        )
        t.ok(rows[0]?.connections <= 2, `${rows[0]?.connections} connections of Postgres served both`)
      },
    )

    t.test('concurrent reads of rows, in shared statements, each get their own row', async (t) => {
      const keys = Array.from({ length: 300 }, (_, n) => `key ${n}`)
      for (const key of keys) await database.primary.run(putSetting, { key, valueJson: `"${key}"` })
      const read = database.reader({ column: 'key', one: settingByKey, many: settingsByKeys })
      for (let round = 0; round < 10; round++) {
        const rows = await Promise.all(keys.map((key) => read(key)))
        t.same(
          rows.map((row) => row?.value),
          keys,
        )
      }
    })

    t.test('a job that fails is tried again, becomes a dead letter, and is sent again', async (t) => {
      let isRepaired = false
      others.work(flaky, ({ data, attempt }) => {
        if (data.failures > 10 && !isRepaired) throw new JobPermanentError('out of order')
        if (!isRepaired && attempt <= data.failures) throw new Error('not yet')
        return { attempt }
      })
      const retried = await jobs.enqueue(flaky, { failures: 1 })
      t.match(await inState(jobs, retried, 'completed'), { attempts: 2, result: { attempt: 2 } })
      const dead = await jobs.enqueue(flaky, { failures: 99 })
      await inState(jobs, dead, 'failed')
      t.match(await jobs.list({ deadLetters: true }), [{ id: dead, error: 'out of order' }])
      isRepaired = true
      await jobs.retry(dead)
      await inState(jobs, dead, 'completed')
      t.same(await jobs.list({ deadLetters: true }), [])
    })

    t.test('the handler of a job that another process cancels is aborted', async (t) => {
      const slow = open({ databaseUrl: url })
      const { promise: aborted, resolve } = Promise.withResolvers<void>()
      await Promise.all([jobs.close(), others.close()])
      slow.work(double, ({ signal, progress }) => {
        progress(40)
        signal.addEventListener('abort', () => resolve())
        return new Promise<never>(() => {})
      })
      const caller = open({ databaseUrl: url })
      const id = await caller.enqueue(double, { n: 1 })
      await until('the handler runs', async () => (await caller.get(id))?.progress === 40)
      t.match(await caller.cancel(id), { state: 'cancelled' })
      await aborted
    })
  },
)
