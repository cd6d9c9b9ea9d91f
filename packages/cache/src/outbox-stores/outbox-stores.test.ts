import { testDatabase, until } from '@reference/local-stack'
import { drizzle as drizzleOnPg } from 'drizzle-orm/node-postgres'
import { drizzle } from 'drizzle-orm/postgres-js'
import pg from 'pg'
import postgres from 'postgres'
import t, { type Test } from 'tap'
import { outboxTables } from '../index.ts'
import { drizzleOutbox } from './drizzle.ts'
import { pgOutbox } from './pg.ts'
import { type PostgresJsExecutor, postgresJsOutbox } from './postgres-js.ts'
import type { SqlOutbox } from './sql-outbox.ts'

const KEEP_MS = 60_000
const SCHEMA = 'caching'
const { signal } = new AbortController()

/** An outbox, and a transaction that inserts keys and stays open until it is ended. */
interface Opened {
  outbox: Pick<SqlOutbox<never>, Exclude<keyof SqlOutbox<never>, 'insert'>>
  insert(keys: string[], beforeCommit?: () => Promise<unknown>): Promise<{ key: string; cache: string }[]>
}

type Open = (t: Test, url: string) => Opened

const withTypes = <Executor>(
  outbox: SqlOutbox<Executor>,
  transaction: <Result>(work: (tx: Executor) => Promise<Result>) => Promise<Result>,
): Opened => ({
  outbox,
  insert: (keys, beforeCommit) =>
    transaction(async (tx) => {
      const rows = await outbox.insert(tx, keys)
      await beforeCommit?.()
      return rows
    }),
})

const drivers: Record<string, Open> = {
  pg(t, url) {
    const pool = openPool(t, url)
    return withTypes(pgOutbox(pool, { schema: SCHEMA }), async (work) => {
      const client = await pool.connect()
      try {
        await client.query('begin')
        const result = await work(client)
        await client.query('commit')
        return result
      } finally {
        client.release()
      }
    })
  },
  'postgres.js'(t, url) {
    const sql = openSql(t, url)
    return withTypes(
      postgresJsOutbox(sql, { schema: SCHEMA }),
      async <Result>(work: (tx: PostgresJsExecutor) => Promise<Result>) =>
        (await sql.begin((tx) => work(tx))) as Result,
    )
  },
  'Drizzle on postgres.js'(t, url) {
    const database = drizzle(openSql(t, url))
    return withTypes(drizzleOutbox(database, { schema: SCHEMA }), (work) => database.transaction(work))
  },
  'Drizzle on pg'(t, url) {
    const database = drizzleOnPg(openPool(t, url))
    return withTypes(drizzleOutbox(database, { schema: SCHEMA }), (work) => database.transaction(work))
  },
}

function openSql(t: Test, url: string) {
  // Without the types of arrays: some poolers require it.
  const sql = postgres(url, { max: 4, fetch_types: false, onnotice: () => {} })
  t.teardown(() => sql.end())
  return sql
}

function openPool(t: Test, url: string) {
  const pool = new pg.Pool({ connectionString: url, max: 4 })
  t.teardown(() => pool.end())
  return pool
}

for (const [name, open] of Object.entries(drivers)) {
  t.test(name, async (t) => {
    const { superuserUrl } = await testDatabase(t, { from: 'empty' })
    const sql = openSql(t, superuserUrl)
    await sql.unsafe(`create schema ${SCHEMA}; ${outboxTables(SCHEMA)}`)
    const { outbox, insert } = open(t, superuserUrl)

    await t.test(
      'a write inserts a row a key for each registered cache, which reads only its own',
      async (t) => {
        t.same(await insert(['c:user:1:{1}']), [], 'no cache is registered')
        await outbox.register('a', KEEP_MS, signal)
        await outbox.register('b', KEEP_MS, signal)
        const keys = ['c:user:1:{2}', `c:user:1:{it's "2" \\ ∞}`]
        const rows = await insert(keys)
        t.equal(rows.length, 4)
        const taken = await outbox.take('a', 10, 0)
        t.same(taken.map(({ key, cache }) => [key, cache]).sort(), keys.map((key) => [key, 'a']).sort())
        t.same(await outbox.take('a', 10, KEEP_MS), [], 'they are too young')
        t.equal((await outbox.take('a', 1, 0)).length, 1, 'the limit holds')
        await outbox.remove(taken.map(({ id }) => id))
        t.match(await outbox.status?.('a'), { count: 0, oldestSeconds: 0 })
        const left = await outbox.status?.('b')
        t.equal(left?.count, 2)
        t.ok((left?.oldestSeconds ?? 0) > 0)
      },
    )

    await t.test('registering waits for a write that began before it', async (t) => {
      let registering: Promise<void> | undefined
      let isRegistered = false
      await insert(['c:user:1:{3}'], async () => {
        registering = outbox.register('new', KEEP_MS, signal).then(() => {
          isRegistered = true
        })
        await until('later writes name it', async () =>
          (await insert(['c:user:1:{4}'])).some(({ cache }) => cache === 'new'),
        )
        t.notOk(isRegistered, 'the write is open')
      })
      await registering
      t.same(
        (await outbox.take('new', 10, 0)).filter(({ key }) => key === 'c:user:1:{3}'),
        [],
      )
    })

    await t.test('an abort ends registering', async (t) => {
      const ends = new AbortController()
      await insert(['c:user:1:{5}'], async () => {
        const registering = outbox.register('aborted', KEEP_MS, ends.signal)
        ends.abort()
        await t.rejects(registering)
      })
    })

    await t.test(
      'a registration is kept by touching it, and is removed with its rows after it has expired',
      async (t) => {
        t.notOk(await outbox.touch('unknown', KEEP_MS))
        t.ok(await outbox.touch('a', KEEP_MS))
        await sql.unsafe(
          `update ${SCHEMA}.cache_registrations set expires_at = now() - interval '1 ms' where id = 'b'`,
        )
        await outbox.expire(signal)
        t.notOk(await outbox.touch('b', KEEP_MS), 'it stays removed')
        t.match(await outbox.status?.('b'), { count: 0 })
        t.notSame(await outbox.status?.('a'), { count: 0 })
      },
    )
  })
}

t.test('a schema that is no identifier is refused', async (t) => {
  const refusal = { code: 'CACHE_OPTION_INVALID' }
  t.throws(() => outboxTables('a; drop table users'), refusal)
  t.throws(() => pgOutbox({ query: async () => ({ rows: [] }) }, { schema: 'A"' }), refusal)
})
