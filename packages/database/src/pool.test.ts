import { spawnSync } from 'node:child_process'
import { Registry } from '@prometheus-io/client'
import { linkTo, testDatabase, until } from '@reference/local-stack'
import { ordersPage } from '@reference/shop/orders/queries'
import { insertUser, userById } from '@reference/shop/users/queries'
import { sql } from 'drizzle-orm'
import t from 'tap'
import { type Pool, queries, statement } from './index.ts'
import { lockTable } from './testing/lock-table.ts'
import { open, openOn, TEST_POOL_SIZES } from './testing/open.ts'

const sleep = statement<{ seconds: number }, { slept: string }>(
  'test_sleep',
  () => sql`select pg_sleep(${sql.placeholder('seconds')}::float8)::text as slept`,
)

/** How many statements that sleep run on the server, for the pool with this application name. */
async function sleeping(pool: Pool, application = 'test %'): Promise<number> {
  const [row] = await pool.sql<{ count: number }>`
    select count(*) as count from pg_stat_activity
    where datname = current_database() and application_name like ${application} and state = 'active' and query like '%pg_sleep(%' and pid <> pg_backend_pid()`
  return row?.count ?? 0
}

t.test('hot statements are prepared in the server, and none is with prepare off', async (t) => {
  const { database, url } = await open(t, { poolMax: 1 })
  const unprepared = openOn(t, { url, poolMax: 1, prepare: false })
  for (const { primary } of [database, unprepared]) {
    for (let n = 1; n <= 3; n++) {
      t.equal((await primary.first(userById, { id: n }))?.id, n)
      await primary.run(ordersPage({}), { createdAt: 'infinity', id: 1, limit: 1 })
      await primary.first(queries.outboxStatus, { cache: 'a' })
    }
  }
  const prepared = (pool: Pool) =>
    pool.sql<{ statement: string; calls: number }>`
      select statement, generic_plans + custom_plans as calls from pg_prepared_statements
      where statement not like '%pg_prepared_statements%' order by statement`
  t.same(
    (await prepared(database.primary)).map(({ calls }) => calls),
    [3, 3, 3],
  )
  t.same(await prepared(unprepared.primary), [])
})

t.test('the name of each connection contains the service and the pool', async (t) => {
  const { database } = await open(t)
  const name = statement<object, { name: string }>(
    'test_name',
    () => sql`select current_setting('application_name') as name`,
  )
  t.same(await database.primary.first(name, {}), { name: 'test primary' })
  t.same(await database.cancellable.first(name, {}), { name: 'test cancellable' })
  t.equal(database.replica, database.primary, 'without a replica the primary pool is used')
})

t.test('past the wait limit a statement fails with 503 and is never sent', async (t) => {
  const { database } = await open(t, { poolMax: 1, pipelineDepth: 1, poolTimeoutMs: 50 })
  const { promise: finished, resolve: finish } = Promise.withResolvers<void>()
  const holder = database.primary.transaction(() => finished)
  await t.rejects(database.primary.first(insertUser, { email: 'late@example.com', name: 'Late' }), {
    code: 'DB_POOL_TIMEOUT',
    statusCode: 503,
    retryAfterSeconds: 1,
  })
  finish()
  await holder
  t.same(await database.primary.sql`select id from users where email = 'late@example.com'`, [])
})

t.test('the figures count statements in flight, waiting statements and durations', async (t) => {
  const registry = new Registry()
  const { database } = await open(t, { poolMax: 2, pipelineDepth: 1, registry })
  // The second connection is opened after the first one, so one of these waits.
  await Promise.all([database.primary.ping(), database.primary.ping()])
  const running = [0.5, 0.5, 0.5].map((seconds) => database.primary.run(sleep, { seconds }))
  t.same(database.stats().primary, { size: 2, inUse: 2, waiting: 1 })
  const during = await registry.metrics()
  for (const line of [
    'db_pool_size{pool="primary"} 2',
    'db_pool_in_use{pool="primary"} 2',
    'db_pool_waiting{pool="primary"} 1',
    'db_pool_connections_max{pool="primary"} 2',
    'db_pool_refused_total{pool="primary",reason="timeout"} 0',
  ]) {
    t.ok(during.includes(line), line)
  }
  await Promise.all(running)
  const after = await registry.metrics()
  for (const line of [
    'db_pool_in_use{pool="primary"} 0',
    'db_pool_connections{pool="primary"} 2',
    'db_pool_connections{pool="cancellable"} 0',
    'db_pool_wait_seconds_count{pool="primary"} 2',
    'db_query_duration_seconds_count{pool="primary",statement="test_sleep"} 3',
  ]) {
    t.ok(after.includes(line), line)
  }
})

t.test('a signal cancels the statement in the server and rejects with its reason', async (t) => {
  const { database } = await open(t)
  for (const run of [
    (signal: AbortSignal): Promise<unknown> => database.cancellable.run(sleep, { seconds: 60 }, { signal }),
    (signal: AbortSignal): Promise<unknown> =>
      database.cancellable.transaction((tx) => tx.run(sleep, { seconds: 60 }), { signal }),
    (signal: AbortSignal): Promise<unknown> =>
      database.cancellable.snapshot(
        2,
        (parts) => Promise.all(parts.map((tx) => tx.run(sleep, { seconds: 60 }))),
        {
          signal,
        },
      ),
  ]) {
    const leaving = new AbortController()
    const failed = t.rejects(run(leaving.signal), { message: 'left' })
    await until('it runs', async () => (await sleeping(database.primary)) > 0)
    leaving.abort(new Error('left'))
    await failed
    await until('it no longer runs', async () => (await sleeping(database.primary)) === 0)
    await until('its slot is free', () => database.stats().cancellable?.inUse === 0)
  }
  t.equal((await database.cancellable.first(userById, { id: 1 }))?.id, 1, 'the connections are usable')
})

t.test('an abort while the connection is made leaves the pool usable', async (t) => {
  const { database } = await open(t)
  const left = new AbortController()
  left.abort(new Error('left'))
  await t.rejects(database.cancellable.run(sleep, { seconds: 60 }, { signal: left.signal }), {
    message: 'left',
  })
  const leaving = new AbortController()
  const failed = t.rejects(database.cancellable.run(sleep, { seconds: 60 }, { signal: leaving.signal }), {
    message: 'left',
  })
  leaving.abort(new Error('left'))
  await failed
  await until('its slot is free', () => database.stats().cancellable?.inUse === 0)
  t.equal((await database.cancellable.first(userById, { id: 1 }))?.id, 1)
})

t.test('on the pipelined pool a signal ends the wait and cancels no statement', async (t) => {
  const { database } = await open(t, { poolMax: 1, pipelineDepth: 4 })
  const leaving = new AbortController()
  const left = t.rejects(database.primary.run(sleep, { seconds: 0.1 }, { signal: leaving.signal }), {
    message: 'left',
  })
  const behind = database.primary.first(userById, { id: 2 })
  leaving.abort(new Error('left'))
  await left
  t.equal(database.stats().primary?.inUse, 2, 'it keeps its slot until it has ended')
  t.equal((await behind)?.id, 2)
})

t.test('a statement past its time limit fails with DB_STATEMENT_TIMEOUT', async (t) => {
  const { database } = await open(t)
  await t.rejects(
    database.cancellable.transaction((tx) => tx.run(sleep, { seconds: 60 }), { statementTimeoutMs: 20 }),
    { code: 'DB_STATEMENT_TIMEOUT', statusCode: 503 },
  )
  const [limit] = await database.cancellable.sql`select current_setting('statement_timeout') as value`
  t.not((limit as { value: string }).value, '20ms', 'the limit ended with the transaction')
})

t.test('an unavailable database is a 503 and is found again without a restart', async (t) => {
  const { url } = await open(t)
  const link = await linkTo(t, url)
  const database = openOn(t, { url: link.url })
  const unavailable = { code: 'DB_UNAVAILABLE', statusCode: 503, retryAfterSeconds: 1 }
  await t.rejects(database.ready(), unavailable)
  await t.rejects(database.primary.run(userById, { id: 1 }), unavailable)
  await t.rejects(
    database.primary.transaction(async () => {}),
    unavailable,
  )
  const answers = () =>
    database.ready().then(
      () => true,
      () => false,
    )
  await link.mend()
  await until('it answers', answers)
  await link.cut()
  await t.rejects(database.ready(), unavailable)
  await link.mend()
  await until('it answers again', answers)
})

t.test('a read on a broken connection is sent once more, a write never', async (t) => {
  const { database, superuserUrl } = await open(t, { poolMax: 1 })
  let lock = await lockTable(t, superuserUrl, 'users')
  const read = database.primary.run(userById, { id: 1 })
  await lock.untilWaiting(1)
  const broken = await lock.waiting()
  await lock.endWaiting()
  await until('it is sent once more', async () => {
    const [again] = await lock.waiting()
    return again !== undefined && !broken.includes(again)
  })
  await lock.release()
  t.equal((await read).length, 1)

  const write = statement<object, { id: number }>(
    'test_write',
    () => sql`insert into cache_outbox (key) values ('once') returning id`,
  )
  lock = await lockTable(t, superuserUrl, 'cache_outbox')
  const written = t.rejects(database.primary.run(write, {}), { code: 'DB_UNAVAILABLE' })
  await lock.untilWaiting(1)
  await lock.endWaiting()
  await written
  await lock.release()
  t.same(await database.primary.sql`select count(*) as count from cache_outbox`, [{ count: 0 }])
})

t.test('a closed pool sends no statement', async (t) => {
  const { database } = await open(t)
  const before = database.primary.run(sleep, { seconds: 0.05 })
  const closing = database.close()
  t.equal((await before).length, 1, 'a statement in flight may finish')
  await closing
  await t.rejects(database.primary.run(userById, { id: 1 }), { code: 'DB_UNAVAILABLE' })
})

t.test('a connection that fails for lack of file descriptors fails only its statement', async (t) => {
  const { url } = await testDatabase(t)
  const module = JSON.stringify(import.meta.resolve('./index.ts'))
  const script = `
    import { closeSync, openSync } from 'node:fs'
    import { createDatabase } from ${module}
    const database = createDatabase({ url: ${JSON.stringify(url)}, poolSizes: ${JSON.stringify(TEST_POOL_SIZES)} })
    const files = []
    try { for (;;) files.push(openSync('/dev/null', 'r')) } catch {}
    const ready = () => database.ready(AbortSignal.timeout(5000)).then(() => 'ok', (error) => error.code + ': ' + error.cause?.code)
    // Inside a tick, in which errors of the next tick are emitted before microtasks run.
    const first = await new Promise((resolve) => process.nextTick(() => ready().then(resolve)))
    for (const file of files) closeSync(file)
    let last
    for (let n = 0; n < 100 && last !== 'ok'; n++) last = await ready()
    console.log(first, last)
    await database.close()`
  const args = [
    '-c',
    'ulimit -n 128 && exec "$0" "$@"',
    process.execPath,
    '--input-type=module',
    '-e',
    script,
  ]
  const child = spawnSync('/bin/sh', args, { encoding: 'utf8' })
  t.match(child, { status: 0, stdout: 'DB_UNAVAILABLE: EMFILE ok\n', stderr: '' })
})

t.test('a burst into a pool without connections is served as a whole', async (t) => {
  const { database } = await open(t, { poolMax: 30 })
  const { primary } = database
  const read = () => primary.transaction((tx) => tx.first(userById, { id: 1 }))
  const served = await Promise.all(Array.from({ length: 200 }, read))
  t.ok(served.every((user) => user?.id === 1))
  t.match(primary.stats(), { inUse: 0, waiting: 0 })
  const [row] = await primary.sql<{ count: number }>`
    select count(*) as count from pg_stat_activity where datname = current_database() and application_name = 'test primary'`
  t.ok((row?.count ?? 0) >= 1 && (row?.count ?? 0) <= 30, `${row?.count}`)
})
