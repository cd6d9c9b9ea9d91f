import { Registry } from '@prometheus-io/client'
import { linkTo, testDatabase, until } from '@reference/local-stack'
import { migrate } from '@reference/shop'
import { insertUser, userById } from '@reference/shop/users/queries'
import { sql } from 'drizzle-orm'
import t from 'tap'
import { withClient } from './client.ts'
import { type Database, type DatabaseOptions, statement } from './index.ts'
import { open, openOn } from './testing/open.ts'

const unavailable = { code: 'DB_UNAVAILABLE', statusCode: 503, retryAfterSeconds: 1 }

const sleep = statement<{ seconds: number }, object>(
  'test_sleep',
  () => sql`select pg_sleep(${sql.placeholder('seconds')}::float8)::text`,
)

/** A database whose server can be made to hang; a connection is given up after 0.8 s of silence. */
async function hangable(t: Parameters<typeof open>[0], options: Partial<DatabaseOptions> = {}) {
  const { url } = await open(t)
  const link = await linkTo(t, url)
  await link.mend()
  const database = openOn(t, { url: link.url, statementLimitMs: 400, ...options })
  return { url, link, database }
}

const tries = (work: () => Promise<unknown>) => () =>
  work().then(
    () => true,
    () => false,
  )

t.test('a server that stops answering is a 503 for every statement, and the slots become free', async (t) => {
  const registry = new Registry()
  const { link, database } = await hangable(t, { poolMax: 2, registry })
  const { primary, cancellable } = database
  await Promise.all([primary.ping(), primary.ping(), cancellable.ping()])
  link.hang()
  const outcomes: Promise<unknown>[] = [
    ...Array.from({ length: 10 }, () => primary.run(userById, { id: 1 })),
    primary.run(insertUser, { email: 'hung@example.com', name: 'Hung' }),
    cancellable.run(userById, { id: 1 }),
    cancellable.bytes(userById, { id: 1 }),
  ]
  await Promise.all(outcomes.map((outcome) => t.rejects(outcome, unavailable)))
  t.match(await registry.metrics(), 'db_pool_abandoned_total{pool="primary"} 2')
  t.equal(database.stats().primary?.inUse, 0)
  t.equal(database.stats().cancellable?.inUse, 0)
  await link.mend()
  await until(
    'it answers again',
    tries(() => primary.ping()),
  )
  t.same(await primary.sql`select 1 from users where email = 'hung@example.com'`, [])
})

t.test('statements queued on a connection that cannot be made fail together with it', async (t) => {
  const { link, database } = await hangable(t, { poolMax: 1 })
  link.hang()
  const usual = openOn(t, { url: link.url, poolMax: 1 })
  const allFail = async ({ primary }: Database) => {
    const waiting = Array.from({ length: 8 }, () => primary.run(userById, { id: 1 }))
    await Promise.all(waiting.map((outcome) => t.rejects(outcome, unavailable)))
    t.equal(primary.stats().inUse, 0)
  }
  // By the watchdog, and by the driver's own limit of 5 s, which comes first if a connection may be silent for 12 s.
  await Promise.all([database, usual].map(allFail))
  await link.cut()
  await Promise.all([database, usual].map(allFail))
})

t.test('a server that stops answering fails a transaction at each of its steps', async (t) => {
  const { link, database } = await hangable(t, { poolMax: 1 })
  const { primary } = database
  const insert = { email: 'step@example.com', name: 'Step' }
  const steps: Record<string, () => Promise<unknown>> = {
    begin() {
      link.hang()
      return primary.transaction(async () => {})
    },
    statement: () =>
      primary.transaction(async (tx) => {
        link.hang()
        await tx.run(insertUser, insert)
      }),
    'statement, caught': () =>
      primary.transaction(async (tx) => {
        link.hang()
        await tx.run(insertUser, insert).catch(() => {})
      }),
    drizzle: () =>
      primary.transaction(async (tx) => {
        link.hang()
        await tx.drizzle.execute(sql`select 1`)
      }),
    savepoint: () =>
      primary.transaction(async (tx) => {
        link.hang()
        await tx.drizzle.transaction(async () => {})
      }),
    'end of a savepoint': () =>
      primary.transaction((tx) =>
        tx.drizzle.transaction(async () => {
          link.hang()
          throw new Error('no')
        }),
      ),
    commit: () =>
      primary.transaction(async (tx) => {
        await tx.run(insertUser, insert)
        link.hang()
      }),
    rollback: () =>
      primary.transaction(async () => {
        link.hang()
        throw new Error('no')
      }),
    snapshot: () =>
      database.cancellable.snapshot(1, async () => {
        link.hang()
      }),
  }
  for (const [step, run] of Object.entries(steps)) {
    await t.rejects(run(), unavailable, step)
    t.equal(database.stats().primary?.inUse, 0, step)
    await link.mend()
    await until(
      'it answers again',
      tries(() => Promise.all([primary.ping(), database.cancellable.ping()])),
    )
    t.same(await primary.sql`select 1 from users where email = 'step@example.com'`, [], step)
  }
})

t.test('a connection within its own longer limit is not given up', async (t) => {
  const { database } = await hangable(t)
  const long = { statementTimeoutMs: 10_000 }
  // In one pipeline: the last statement is answered after 2.5 s, and a connection is given up after 2 s of silence.
  const { database: deep } = await hangable(t, { poolMax: 1, statementLimitMs: 1_000 })
  await Promise.all([
    database.primary.transaction((tx) => tx.run(sleep, { seconds: 1.2 }), long),
    ...[1.2, 1.2, 0.1].map((seconds) => deep.primary.run(sleep, { seconds })),
  ])
  const { promise: finished, resolve: finish } = Promise.withResolvers<void>()
  const idle = database.primary.transaction(() => finished)
  await database.cancellable.transaction((tx) => tx.run(sleep, { seconds: 1.2 }), long)
  finish()
  await idle
  t.pass()
})

t.test('an abort during the silence rejects at once, and its slot becomes free', async (t) => {
  const { link, database } = await hangable(t)
  await database.cancellable.ping()
  link.hang()
  const leaving = new AbortController()
  const left = t.rejects(database.cancellable.run(userById, { id: 1 }, { signal: leaving.signal }), {
    message: 'left',
  })
  leaving.abort(new Error('left'))
  await left
  await until('its slot is free', () => database.stats().cancellable?.inUse === 0)
})

t.test('a hung replica sends its reads to the primary', async (t) => {
  const primary = await open(t)
  const { link } = await hangable(t)
  const database = openOn(t, { url: primary.url, replicaUrl: link.url, statementLimitMs: 400 })
  await database.replica.ping()
  link.hang()
  t.equal((await database.replica.first(userById, { id: 1 }))?.id, 1)
  t.equal((await database.replica.first(userById, { id: 2 }))?.id, 2)
})

t.test('close ends although the server does not answer, and nothing keeps the process alive', async (t) => {
  const { link, database } = await hangable(t)
  await Promise.all([database.primary.ping(), database.cancellable.ping()])
  link.hang()
  const sockets = () => process.getActiveResourcesInfo().filter((kind) => kind === 'TCPSocketWrap').length
  const before = sockets()
  const failed = t.rejects(database.primary.run(userById, { id: 1 }), unavailable)
  await database.close()
  await failed
  await until('both connections are gone', () => sockets() <= before - 2)
})

t.test('a server that closes every new connection is a 503', async (t) => {
  const { link, database } = await hangable(t)
  await database.primary.ping()
  link.slam()
  await t.rejects(database.primary.run(userById, { id: 1 }), unavailable)
  await t.rejects(
    database.primary.transaction(async () => {}),
    unavailable,
  )
  await link.mend()
  await until(
    'it answers again',
    tries(() => database.primary.ping()),
  )
})

t.test('a refused login is a 503 with the error of the server as its cause', async (t) => {
  const { url } = await open(t)
  const wrong: [string, Partial<URL>][] = [
    ['28P01', { password: 'wrong' }],
    ['28P01', { username: 'unknown' }],
    ['3D000', { pathname: '/nothing' }],
  ]
  for (const [code, part] of wrong) {
    const database = openOn(t, { url: Object.assign(new URL(url), part).href })
    const expected = { ...unavailable, cause: { code } }
    await t.rejects(database.primary.run(userById, { id: 1 }), expected)
    await t.rejects(
      database.primary.transaction(async () => {}),
      expected,
    )
    await t.rejects(database.ready(), expected)
  }
})

t.test(
  'a command whose server answers no more fails, although its statement has no time limit',
  async (t) => {
    const { link } = await hangable(t)
    const work = withClient(
      link.url,
      'test',
      async (client) => {
        await client`select 1`
        link.hang()
        await client`select 1`
      },
      200,
    )
    await t.rejects(work, unavailable)
  },
)

t.test(
  'when nothing answers, later statements fail at once, until a new connection is answered',
  async (t) => {
    const { link, database } = await hangable(t, { poolMax: 1, pipelineDepth: 1, poolTimeoutMs: 60_000 })
    const { primary } = database
    await primary.ping()
    link.hang()
    // The first one waits for its answer, the others for a place.
    const waiting = Array.from({ length: 5 }, (_, n) => primary.run(userById, { id: n + 1 }))
    await Promise.all(waiting.map((outcome) => t.rejects(outcome, unavailable)))
    await t.rejects(primary.run(userById, { id: 1 }), { ...unavailable, cause: { message: /nor|neither/ } })
    t.equal(primary.stats().waiting, 0)
    await link.mend()
    await until(
      'it answers again',
      tries(() => primary.ping()),
    )
  },
)

t.test('a database without its tables answers a ping and is not ready', async (t) => {
  const { url } = await testDatabase(t, { from: 'empty' })
  const database = openOn(t, { url })
  await database.primary.ping()
  await t.rejects(database.ready(), { code: '42P01' })
  await migrate({ url })
  await database.ready()
})
