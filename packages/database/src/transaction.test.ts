import { until } from '@reference/local-stack'
import { insertOrder } from '@reference/shop/orders/queries'
import { settingByKey } from '@reference/shop/settings/queries'
import { deleteUser, insertUser, userById, table as users } from '@reference/shop/users/queries'
import { eq, sql } from 'drizzle-orm'
import t from 'tap'
import { cacheOutbox, isForeignKeyViolation, isUniqueViolation, queries, statement } from './index.ts'
import { open } from './testing/open.ts'

const backend = statement<object, { pid: number }>('test_pid', () => sql`select pg_backend_pid() as pid`)

t.test('a transaction commits its changes, and rolls them back when its work throws', async (t) => {
  const { database } = await open(t)
  const cache = 'a'
  await database.primary.run(queries.cacheRegister, { cache, keepMs: 60_000 })
  const add = (email: string, fail: boolean) =>
    database.primary.transaction(async (tx) => {
      const user = await tx.first(insertUser, { email, name: 'New' })
      await tx.run(queries.outboxInsert, { keys: [`c:user:1:{${user?.id}}`] })
      if (fail) throw new Error('no')
      return user
    })
  t.equal((await add('yes@example.com', false))?.email, 'yes@example.com')
  await t.rejects(add('no@example.com', true), { message: 'no' })
  t.equal((await database.primary.run(queries.outboxTake, { cache, limit: 10, minAgeMs: 0 })).length, 1)
  t.same(await database.primary.sql`select 1 from users where email = 'no@example.com'`, [])
})

t.test(
  'Drizzle works in a transaction, savepoints too, and does not change the parsers of the pool',
  async (t) => {
    const { database } = await open(t, { poolMax: 1 })
    await database.primary.transaction(async ({ drizzle }) => {
      const [user] = await drizzle.insert(users).values({ email: 'd@example.com', name: 'D' }).returning()
      t.match(user?.createdAt, /^\d{4}-\d\d-\d\dT[\d:]{8}\.\d{3}Z$/)
      await t.rejects(
        drizzle.transaction(async (inner) => {
          await inner.delete(users).where(eq(users.email, 'd@example.com'))
          throw new Error('back to the savepoint')
        }),
        { message: 'back to the savepoint' },
      )
      await drizzle.execute(sql`insert into ${cacheOutbox} (key) values (${'k'})`)
      await drizzle.execute(sql`insert into settings (key, value) values ('s', ${'{"a":1}'}::jsonb)`)
    })
    const [user] = await database.primary.sql<{
      created_at: string
    }>`select created_at from users where email = 'd@example.com'`
    t.match(user?.created_at, /^\d{4}-\d\d-\d\dT[\d:]{8}\.\d{3}Z$/)
    t.same((await database.primary.first(settingByKey, { key: 's' }))?.value, { a: 1 })
  },
)

t.test('violated constraints are distinguished, through Drizzle too', async (t) => {
  const { database } = await open(t)
  const { primary } = database
  const caught = (work: Promise<unknown>) =>
    work.then(
      () => undefined,
      (error: unknown) => error,
    )
  const user = await primary.first(userById, { id: 1 })
  const email = user?.email ?? ''
  const taken = await caught(primary.run(insertUser, { email, name: 'Other' }))
  t.ok(isUniqueViolation(taken) && isUniqueViolation(taken, 'users_email_unique'))
  t.notOk(isUniqueViolation(taken, 'users_pkey') || isForeignKeyViolation(taken))
  const wrapped = await caught(
    primary.transaction(({ drizzle }) => drizzle.insert(users).values({ email, name: 'Other' })),
  )
  t.ok(isUniqueViolation(wrapped, 'users_email_unique'))
  const noUser = await caught(primary.run(insertOrder, { userId: 999_999, productId: 1, quantity: 1 }))
  t.ok(isForeignKeyViolation(noUser, 'orders_user_id_users_id_fk'))
  const [order] = await primary.sql<{ id: number }>`select user_id as id from orders limit 1`
  const inUse = await caught(primary.run(deleteUser, { id: order?.id ?? 0 }))
  t.ok(isForeignKeyViolation(inUse, 'orders_user_id_users_id_fk'))
})

t.test('a transaction whose connection is lost fails with 503 and affects nothing else', async (t) => {
  const { database } = await open(t, { poolMax: 1 })
  const { database: admin } = await open(t)
  const end = (pid: number) => admin.primary.sql`select pg_terminate_backend(${pid}::int)`
  const gone = (pid: number) =>
    until('the session is gone', async () => {
      return (await admin.primary.sql`select 1 from pg_stat_activity where pid = ${pid}::int`).length === 0
    })
  const unavailable = { code: 'DB_UNAVAILABLE', statusCode: 503 }

  const later: unknown[] = []
  const between = database.primary.transaction(async (tx) => {
    const row = await tx.first(backend, {})
    await end(row?.pid ?? 0)
    await gone(row?.pid ?? 0)
    await tx.run(userById, { id: 1 }).catch((error: unknown) => later.push(error))
    await tx.drizzle
      .select()
      .from(users)
      .catch((error: unknown) => later.push(error))
  })
  await t.rejects(between, unavailable)
  await until('the rest of its work has failed', () => later.length === 2)

  const during = database.primary.transaction(async (tx) => {
    const row = await tx.first(backend, {})
    const slow = tx.drizzle.execute(sql`select pg_sleep(60)`)
    await end(row?.pid ?? 0)
    await slow
  })
  await t.rejects(during, unavailable)

  t.equal((await database.primary.first(userById, { id: 1 }))?.id, 1, 'the pool is usable')
  t.equal(database.stats().primary?.inUse, 0)
})

t.test('an abort between two statements rolls back', async (t) => {
  const { database } = await open(t)
  const leaving = new AbortController()
  await t.rejects(
    database.primary.transaction(
      async (tx) => {
        await tx.run(insertUser, { email: 'gone@example.com', name: 'Gone' })
        leaving.abort(new Error('left'))
      },
      { signal: leaving.signal },
    ),
    { message: 'left' },
  )
  await until('it has ended', () => database.stats().primary?.inUse === 0)
  t.same(await database.primary.sql`select 1 from users where email = 'gone@example.com'`, [])
})

t.test('the parts of a snapshot see the same rows, in spite of writes meanwhile', async (t) => {
  const { database } = await open(t)
  const count = statement<object, { count: number }>(
    'test_count',
    () => sql`select count(*) as count from users`,
  )
  const counts = await database.cancellable.snapshot(3, async (parts) => {
    await database.primary.run(insertUser, { email: 'new@example.com', name: 'New' })
    return Promise.all(parts.map(async (tx) => (await tx.first(count, {}))?.count))
  })
  t.same(counts, [1000, 1000, 1000])
})
