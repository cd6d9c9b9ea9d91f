import { setTimeout as sleep } from 'node:timers/promises'
import { linkTo, until } from '@reference/local-stack'
import { insertOrder } from '@reference/shop/orders/queries'
import { sql } from 'drizzle-orm'
import t from 'tap'
import { databaseUnavailableError } from './errors.ts'
import { statement } from './index.ts'
import type { Pool } from './pool.ts'
import { withFallback } from './routing.ts'
import { open, openOn } from './testing/open.ts'

const port = statement<object, { database: string }>(
  'test_database',
  () => sql`select current_database() as database`,
)

t.test('lists are read from the replica, single rows from the primary', async (t) => {
  const primary = await open(t)
  const replica = await open(t)
  const database = openOn(t, { url: primary.url, replicaUrl: replica.url })
  const nameOf = (url: string) => new URL(url).pathname.slice(1)
  t.same(await database.primary.first(port, {}), { database: nameOf(primary.url) })
  t.same(await database.replica.first(port, {}), { database: nameOf(replica.url) })
  t.same(await database.cancellable.first(port, {}), { database: nameOf(replica.url) })
})

t.test('reads go to the primary while the replica is unavailable, and then back to it', async (t) => {
  const { url } = await open(t)
  const { url: replicaDatabase } = await open(t)
  const link = await linkTo(t, replicaDatabase)
  const database = openOn(t, { url, replicaUrl: link.url })
  const name = new URL(url).pathname.slice(1)
  t.same(await database.replica.first(port, {}), { database: name })
  t.same(await database.cancellable.transaction((tx) => tx.first(port, {})), { database: name })
  t.same(
    await database.cancellable.snapshot(2, (parts) => Promise.all(parts.map((tx) => tx.first(port, {})))),
    [{ database: name }, { database: name }],
  )
  await t.rejects(
    database.replica.ping(),
    { code: 'DB_UNAVAILABLE' },
    'a ping reports the health of the replica itself',
  )
  await link.mend()
  await until('the replica is used again', async () => {
    return (await database.replica.first(port, {}))?.database !== name
  })
})

for (const state of ['refuses', 'hangs']) {
  t.test(`ready does not wait for a replica that ${state}`, async (t) => {
    const { url } = await open(t)
    const link = await linkTo(t, (await open(t)).url)
    if (state === 'hangs') {
      await link.mend()
      link.hang()
    }
    const database = openOn(t, { url, replicaUrl: link.url, onSettings: () => {} })
    // Less than the 12 s after which a silent connection is given up, far more than the delays of a busy machine.
    const late = sleep(8_000, 'late', { ref: false })
    t.equal(await Promise.race([database.ready().then(() => 'ready'), late]), 'ready')
    await link.cut()
  })
}

t.test('an error of the statement itself is not retried on the primary', async (t) => {
  const { url } = await open(t)
  const database = openOn(t, { url, replicaUrl: url })
  let runs = 0
  await t.rejects(
    database.replica.transaction(async (tx) => {
      runs++
      await tx.run(insertOrder, { userId: 999_999, productId: 1, quantity: 1 })
    }),
    { code: '23503' },
  )
  t.equal(runs, 1)
})

t.test('the primary serves a snapshot that the replica cannot export', async (t) => {
  const { url } = await open(t)
  const replica = await open(t)
  const admin = openOn(t, { url: replica.superuserUrl })
  await admin.primary.sql`revoke execute on function pg_export_snapshot() from public`
  const database = openOn(t, { url, replicaUrl: replica.url })
  const name = new URL(url).pathname.slice(1)
  t.same(
    await database.cancellable.snapshot(2, (parts) => Promise.all(parts.map((tx) => tx.first(port, {})))),
    [{ database: name }, { database: name }],
  )
  let runs = 0
  await t.rejects(
    database.cancellable.snapshot(1, async () => {
      runs++
      throw new Error('no')
    }),
    { message: 'no' },
  )
  t.equal(runs, 1, 'work that failed is not retried on the primary')
})

t.test('no read waits for the ping of a replica that is known to be unavailable', async (t) => {
  const { primary } = (await open(t)).database
  const pings: PromiseWithResolvers<void>[] = []
  const gone = databaseUnavailableError(new Error('gone'))
  let isGone = true
  const replica = {
    first: async () => {
      if (isGone) throw gone
      return { database: 'the replica' }
    },
    ping() {
      const ping = Promise.withResolvers<void>()
      pings.push(ping)
      return ping.promise
    },
  }
  const reads = withFallback(replica as unknown as Pool, primary, 0)
  const ofPrimary = await primary.first(port, {})
  t.same(await reads.first(port, {}), ofPrimary, 'the read that finds out')
  for (const count of [1, 2]) {
    // Each of them would wait forever.
    for (let n = 0; n < 3; n++) t.same(await reads.first(port, {}), ofPrimary)
    t.equal(pings.length, count, 'one ping at a time')
    if (count === 1) pings[0]?.reject(gone)
  }
  isGone = false
  pings[1]?.resolve()
  await until('the replica is used again', async () => {
    return (await reads.first(port, {}))?.database === 'the replica'
  })
})

t.test('reads leave a replica that hangs, and go back to it', async (t) => {
  const { url } = await open(t)
  const replica = await open(t)
  const link = await linkTo(t, replica.url)
  await link.mend()
  // A ping of the replica hangs for this time.
  const database = openOn(t, { url, replicaUrl: link.url, statementLimitMs: 2000 })
  const name = (of: string) => ({ database: new URL(of).pathname.slice(1) })
  await until('the replica is used', async () => {
    return (await database.replica.first(port, {}))?.database === name(replica.url).database
  })
  link.hang()
  // The first one finds out.
  for (let n = 0; n < 20; n++) t.same(await database.replica.first(port, {}), name(url))
  await link.mend()
  await until('the replica is used again', async () => {
    return (await database.replica.first(port, {}))?.database === name(replica.url).database
  })
})

t.test('reads move to the primary within seconds of the first silence of the replica', async (t) => {
  const { url } = await open(t)
  const link = await linkTo(t, (await open(t)).url)
  await link.mend()
  const database = openOn(t, { url, replicaUrl: link.url, poolMax: 1, statementLimitMs: 20_000 })
  const primary = { database: new URL(url).pathname.slice(1) }
  await database.replica.first(port, {})
  await database.cancellable.transaction((tx) => tx.first(port, {}))
  link.hang()
  const began = performance.now()
  const reads = [1, 2, 3].map(() => database.replica.first(port, {}))
  t.same(await Promise.all(reads), [primary, primary, primary])
  t.same(await database.cancellable.transaction((tx) => tx.first(port, {})), primary)
  t.ok(performance.now() - began < 15_000, 'long before the silence of a connection counts, after 22 s')
})

t.test('a read that takes long stays with a replica that is alive', async (t) => {
  const { url } = await open(t)
  const replica = await open(t)
  const database = openOn(t, { url, replicaUrl: replica.url, poolMax: 2 })
  const slow = statement<object, { database: string }>(
    'test_slow',
    () => sql`select current_database() as database from pg_sleep(1.8)`,
  )
  const name = new URL(replica.url).pathname.slice(1)
  const usesReplica = async () => (await database.replica.first(port, {}))?.database === name
  // A ping that a busy machine answers late moves a read.
  let stays = false
  for (let tries = 0; tries < 3 && !stays; tries++) {
    await until('the replica is used', usesReplica)
    stays = (await database.replica.first(slow, {}))?.database === name
  }
  t.ok(stays)
})
