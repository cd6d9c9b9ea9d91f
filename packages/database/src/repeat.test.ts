import { Registry } from '@prometheus-io/client'
import { until } from '@reference/local-stack'
import { putSetting } from '@reference/shop/settings/queries'
import { insertUser, updateUser, userById, usersByIds, usersPage } from '@reference/shop/users/queries'
import { sql } from 'drizzle-orm'
import t from 'tap'
import { isRetryableConflict, type Pool, statement, type Transaction } from './index.ts'
import { type Opened, open, openOn } from './testing/open.ts'

const { placeholder } = sql

const readCounter = statement<object, { count: number }>(
  'test_read_counter',
  () => sql`select value::int as count from settings where key = 'counter'`,
)
const writeCounter = statement<{ count: number }, never>(
  'test_write_counter',
  () => sql`update settings set value = to_jsonb(${placeholder('count')}::int) where key = 'counter'`,
)
const rename = (tx: Transaction, id: number) => tx.run(updateUser, { id, email: null, name: 'New' })

async function withCounter(
  t: Parameters<typeof open>[0],
  options = {},
): Promise<Opened & { registry: Registry }> {
  const registry = new Registry()
  const opened = await open(t, { ...options, registry })
  await opened.database.primary.sql`insert into settings (key, value) values ('counter', '0')`
  return { ...opened, registry }
}

async function repeats(registry: Registry, reason: string): Promise<number> {
  const line = `db_repeats_total{pool="primary",reason="${reason}"} `
  return Number((await registry.metrics()).split(line)[1]?.split('\n')[0])
}

/** Holds its first callers until all have arrived; later callers pass. */
function barrier(callers: number): () => Promise<void> {
  const all = Promise.withResolvers<void>()
  let arrived = 0
  return () => {
    if (++arrived === callers) all.resolve()
    return all.promise
  }
}

for (const isolation of ['repeatable read', 'serializable'] as const) {
  t.test(
    `30 callers that change one row under ${isolation} all succeed, and no change is lost`,
    async (t) => {
      const { database, registry } = await withCounter(t)
      const meet = barrier(30)
      const add = () =>
        database.primary.transaction(
          async (tx) => {
            const { count } = (await tx.first(readCounter, {})) ?? { count: Number.NaN }
            await meet()
            await tx.run(writeCounter, { count: count + 1 })
          },
          { isolation },
        )
      await Promise.all(Array.from({ length: 30 }, add))
      t.same(await database.primary.first(readCounter, {}), { count: 30 })
      t.ok((await repeats(registry, 'serialization')) >= 29, 'only one of the first 30 could win')
      t.equal(database.stats().primary?.inUse, 0)
    },
  )
}

t.test('two transactions that deadlock both succeed', async (t) => {
  const { database, registry } = await withCounter(t)
  const meet = barrier(2)
  let runs = 0
  const renameBoth = (first: number, second: number) =>
    database.primary.transaction(async (tx) => {
      runs++
      await rename(tx, first)
      await meet()
      return rename(tx, second)
    })
  await Promise.all([renameBoth(1, 2), renameBoth(2, 1)])
  t.ok(runs >= 3, 'one of them ran again')
  t.equal(await repeats(registry, 'deadlock'), runs - 2)
})

t.test('a conflict at commit is repeated as well', async (t) => {
  const { database } = await open(t)
  const meet = barrier(2)
  let runs = 0
  let commits = 0
  const swap = (id: number) =>
    database.primary.transaction(
      async (tx) => {
        runs++
        await tx.run(userById, { id: 3 - id })
        await rename(tx, id)
        await meet()
        commits++
      },
      { isolation: 'serializable' },
    )
  await Promise.all([swap(1), swap(2)])
  t.same({ runs, commits }, { runs: 3, commits: 3 }, 'the server refused after all work was done')
})

/** Loses each time: another transaction changes the row between its read and its write. */
async function lose(tx: Transaction, other: Pool): Promise<void> {
  const { count } = (await tx.first(readCounter, {})) ?? { count: 0 }
  await other.run(writeCounter, { count: count + 1 })
  await tx.run(writeCounter, { count: -1 })
}

t.test(
  'work that always loses fails with a 503 after its attempts, and with attempts: 1 with the error of the server',
  async (t) => {
    const { database, registry } = await withCounter(t)
    const { primary, cancellable } = database
    let runs = 0
    const work = async (tx: Transaction) => {
      runs++
      await lose(tx, cancellable)
    }
    const isolation = 'repeatable read' as const
    await t.rejects(primary.transaction(work, { isolation, attempts: 4 }), {
      code: 'DB_CONFLICT',
      statusCode: 503,
      retryAfterSeconds: 1,
      cause: { code: '40001' },
    })
    t.equal(runs, 4)
    t.match(await registry.metrics(), 'db_repeats_exhausted_total{pool="primary"} 1')

    const error: unknown = await primary.transaction(work, { isolation, attempts: 1 }).catch((error) => error)
    t.match(error, { code: '40001' })
    t.ok(isRetryableConflict(error))
    t.equal(runs, 5)
    t.same(await primary.first(readCounter, {}), { count: 5 }, 'only the other transactions have written')
  },
)

t.test('an abort ends the repetitions', async (t) => {
  const { database } = await withCounter(t)
  const leaving = new AbortController()
  let runs = 0
  const failed = database.primary.transaction(
    async (tx) => {
      if (++runs === 3) leaving.abort(new Error('left'))
      await lose(tx, database.cancellable)
    },
    { isolation: 'repeatable read', signal: leaving.signal },
  )
  await t.rejects(failed, { message: 'left' })
  await until('it has ended', () => database.stats().primary?.inUse === 0)
  t.equal(runs, 3)
})

t.test('a conflict is repeated even if the work caught it or wrapped it in another error', async (t) => {
  const { database } = await withCounter(t)
  const { primary, cancellable } = database
  const isolation = 'repeatable read' as const
  for (const handle of [
    () => {},
    (cause: unknown) => {
      throw Object.assign(new Error('wrapped', { cause }), { code: 'OTHER' })
    },
  ]) {
    let runs = 0
    await primary.transaction(
      async (tx) => {
        if (++runs < 3) await lose(tx, cancellable).catch(handle)
        else await tx.run(writeCounter, { count: 100 })
      },
      { isolation },
    )
    t.equal(runs, 3)
    t.same(await primary.first(readCounter, {}), { count: 100 })
  }
})

t.test('work does not run again after a commit with an unknown outcome', async (t) => {
  const { database, superuserUrl } = await open(t)
  const admin = openOn(t, { url: superuserUrl, applicationName: 'admin' })
  await admin.primary
    .sql`create function slow() returns trigger language plpgsql as 'begin perform pg_sleep(60); return null; end'`
  await admin.primary
    .sql`create constraint trigger slow after insert on settings deferrable initially deferred for each row execute function slow()`
  let runs = 0
  const outcome = t.rejects(
    database.primary.transaction(async (tx) => {
      runs++
      await tx.run(putSetting, { key: 'k', valueJson: '1' })
    }),
    { code: 'DB_UNAVAILABLE', statusCode: 503 },
  )
  await until('it is terminated during its commit', async () => {
    const rows = await admin.primary.sql`
      select pg_terminate_backend(pid) from pg_stat_activity
      where application_name = 'test primary' and datname = current_database() and query = 'commit'`
    return rows.length > 0
  })
  await outcome
  t.equal(runs, 1)
})

/** A statement that the server refuses this many times with this code, and then answers. */
async function refusing(admin: Pool, code: string, times: number) {
  const name = `refuse_${code}`.toLowerCase()
  const raw = (text: string) => admin.transaction((tx) => tx.drizzle.execute(sql.raw(text)))
  await raw(`create sequence ${name}; grant all on sequence ${name} to public`)
  // A rollback does not reset a sequence.
  await raw(`create function ${name}() returns int language plpgsql as $$
    begin
      if nextval('${name}') <= ${times} then raise exception 'refused' using errcode = '${code}'; end if;
      return 1;
    end $$`)
  return statement<object, { answer: number }>(`test_${name}`, () => sql`select ${sql.raw(name)}() as answer`)
}

t.test('a single statement that loses a conflict is sent again', async (t) => {
  const { database, superuserUrl } = await open(t)
  const admin = openOn(t, { url: superuserUrl }).primary
  const statements = [await refusing(admin, '40001', 3), await refusing(admin, '40P01', 1)]
  for (const refused of statements) {
    t.same(await database.primary.first(refused, {}), { answer: 1 })
  }
})

t.test('temporary refusals of the server are 503s with codes of their own', async (t) => {
  const { database, superuserUrl } = await open(t)
  const admin = openOn(t, { url: superuserUrl }).primary
  for (const [sqlState, code] of [
    ['55P03', 'DB_LOCK_TIMEOUT'],
    ['57014', 'DB_STATEMENT_TIMEOUT'],
    ['25006', 'DB_UNAVAILABLE'],
    ['53100', 'DB_UNAVAILABLE'],
    ['53200', 'DB_UNAVAILABLE'],
  ] as const) {
    const refused = await refusing(admin, sqlState, 3)
    const expected = { code, statusCode: 503, retryAfterSeconds: 1 }
    await t.rejects(database.primary.run(refused, {}), expected, sqlState)
    await t.rejects(
      database.primary.transaction((tx) => tx.run(refused, {})),
      expected,
    )
    const throughDrizzle = database.primary.transaction(({ drizzle }) =>
      drizzle.execute(sql.raw(refused.compiled().text)),
    )
    await t.rejects(throughDrizzle, expected, `${sqlState} through Drizzle`)
    t.same(await database.primary.first(refused, {}), { answer: 1 }, 'the pool is usable')
  }
})

t.test('a session that the server ended as idle fails no statement', async (t) => {
  const { url, superuserUrl } = await open(t)
  const admin = openOn(t, { url: superuserUrl, applicationName: 'admin' }).primary
  await admin.transaction(({ drizzle }) =>
    drizzle.execute(
      sql.raw(
        `alter role reference in database "${new URL(url).pathname.slice(1)}" set idle_session_timeout = '700ms'`,
      ),
    ),
  )
  const registry = new Registry()
  const { primary } = openOn(t, { url, poolMax: 1, registry })
  const gone = () =>
    until('the session has ended', async () =>
      (await registry.metrics()).includes('db_pool_connections{pool="primary"} 0'),
    )
  for (let i = 0; i < 3; i++) {
    t.equal((await primary.first(userById, { id: 1 }))?.id, 1)
    await gone()
    t.match(await primary.transaction((tx) => rename(tx, 1)), [{ id: 1 }])
    await gone()
  }
})

const addUser = (email: string) => (tx: Transaction) => tx.first(insertUser, { email, name: 'Name' })

t.test('statements prepared before a column changed its type are answered', async (t) => {
  const { database, superuserUrl, registry } = await withCounter(t, { poolMax: 2, pipelineDepth: 1 })
  const { primary } = database
  const admin = openOn(t, { url: superuserUrl }).primary
  const calls = (n: number) =>
    Promise.all([
      primary.transaction(addUser(`${n}@example.com`)),
      primary.transaction(async (tx) => [await rename(tx, 1), await tx.first(userById, { id: 1 })]),
      primary.run(updateUser, { id: 2, email: null, name: `${n}` }),
      primary.run(usersByIds, { ids: [3, 4] }),
      primary.bytes(usersPage, { after: 0, limit: 2 }),
    ])
  const warm = async (n: number) => {
    for (let i = 0; i < 4; i++) await calls(10 * n + i)
  }
  await warm(1)
  for (const [n, type] of ['text', 'varchar(250)'].entries()) {
    await admin.transaction(({ drizzle }) =>
      drizzle.execute(sql.raw(`alter table users alter column name type ${type}`)),
    )
    const [added, , [renamed], many, page] = await calls(100 + n)
    t.match(added, { email: `${100 + n}@example.com`, name: 'Name' })
    t.match(renamed, { id: 2, name: `${100 + n}` })
    t.same(many.map(({ id }) => id).sort(), [3, 4])
    t.equal(JSON.parse(String(usersPage.encode(page))).length, 2)
    const before = await repeats(registry, 'stale_plan')
    t.ok(before > n)
    await warm(20 + n)
    t.equal(await repeats(registry, 'stale_plan'), before, 'each is prepared again and stays prepared')
  }
  const [count] = await primary.sql<{
    count: number
  }>`select count(*) as count from pg_prepared_statements where statement like '%/* % */'`
  t.ok((count?.count ?? 0) > 0)
})

t.test('another refusal with the code of a stale plan is not repeated', async (t) => {
  const { database } = await open(t)
  let runs = 0
  const unsupported = statement<object, never>(
    'test_unsupported',
    () => sql`select count(distinct x) over () from generate_series(1, 2) as x`,
  )
  await t.rejects(
    database.primary.transaction((tx) => {
      runs++
      return tx.run(unsupported, {})
    }),
    { code: '0A000' },
  )
  t.equal(runs, 1)
})

t.test('statements that the server has forgotten are answered', async (t) => {
  const { database, registry } = await withCounter(t, { poolMax: 1 })
  const { primary } = database
  const forget = () => primary.transaction(({ drizzle }) => drizzle.execute(sql.raw('deallocate all')))
  for (const n of [1, 2]) {
    const outside = () => primary.run(usersByIds, { ids: [1, 2] })
    t.equal((await outside()).length, 2)
    await forget()
    t.equal((await outside()).length, 2, 'outside of a transaction')
    t.equal(await repeats(registry, 'stale_plan'), 2 * n - 1)
    t.match(await primary.run(updateUser, { id: 1, email: null, name: `${n}` }), [{ name: `${n}` }])

    await primary.transaction(addUser(`${n}-a@example.com`))
    await forget()
    t.match(await primary.transaction(addUser(`${n}-b@example.com`)), { email: `${n}-b@example.com` })
    t.equal(await repeats(registry, 'stale_plan'), 2 * n)
  }
})
