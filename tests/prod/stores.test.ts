import { setTimeout as sleep } from 'node:timers/promises'
import t from 'tap'
import { holdsWithin } from '../testing/load.ts'
import { report, theProduction } from './production.ts'
import { breaking, containerId, replicaStreams, writable } from './stores.ts'

const { production, docker, prod, one } = theProduction()

const redisWhole = async () => {
  const script =
    'REDISCLI_AUTH=$(</run/secrets/redis_admin_password) exec redis-cli --user admin --no-auth-warning CLUSTER INFO'
  for (const node of ['redis-1', 'redis-2', 'redis-3', 'redis-4', 'redis-5', 'redis-6']) {
    const info = await production.exec(node, ['bash', '-c', script]).catch(() => '')
    if (!/cluster_state:ok/.test(info) || !/cluster_slots_ok:16384/.test(info)) return false
  }
  return true
}

t.test('the Postgres replica is killed: nothing fails', async (t) => {
  const id = await containerId(production.state.replica())
  const seen = await breaking(
    t,
    'Postgres replica killed, back after 4 s',
    async () => {
      await docker(['kill', id])
      await sleep(4000)
      await docker(['start', id])
    },
    replicaStreams,
  )
  t.equal(seen.failedWrites, 0)
  t.equal(seen.failedReads, 0)
})

t.test('a Redis master is killed: nothing fails', async (t) => {
  const id = await containerId('redis-1')
  const seen = await breaking(
    t,
    'Redis master killed, back after 10 s',
    async () => {
      await docker(['kill', id])
      await sleep(10_000)
      await docker(['start', id])
    },
    redisWhole,
  )
  t.equal(seen.failedReads, 0)
  t.equal(seen.failedWrites, 0)
})

t.test('the whole Redis Cluster is stopped and comes back: nothing fails', async (t) => {
  const nodes = ['redis-1', 'redis-2', 'redis-3', 'redis-4', 'redis-5', 'redis-6']
  const seen = await breaking(
    t,
    'all six Redis nodes killed, back after 4 s',
    async () => {
      await production.compose(['kill', ...nodes])
      await sleep(4000)
      // Start them in another order, so that they may get other addresses.
      for (const node of nodes.toReversed()) await docker(['start', await containerId(node)])
    },
    redisWhole,
  )
  t.equal(seen.failedReads, 0)
  t.equal(seen.failedWrites, 0)
})

t.test('PgBouncer is restarted: requests that need the database fail for seconds', async (t) => {
  const { id } = await one('pgbouncer')
  const seen = await breaking(
    t,
    'PgBouncer restarted',
    async () => void (await docker(['restart', id])),
    writable,
  )
  t.ok(seen.writesFailedFor < 15)
})

t.test('the Postgres primary is restarted: requests that need it fail until it is back', async (t) => {
  const id = await containerId(production.state.primary())
  const seen = await breaking(
    t,
    'Postgres primary restarted',
    async () => void (await docker(['restart', id])),
    writable,
  )
  t.ok(seen.writesFailedFor < 30)
})

t.test('failover while the primary lives loses nothing', async (t) => {
  const before = production.state.primary()
  const seen = await breaking(
    t,
    'failover while the primary lives',
    async () => {
      const { code, output } = await prod('failover')
      t.equal(code, 0, output)
      for (const line of output.split('\n').filter((text) => / s {2}/.test(text))) report(line)
    },
    writable,
  )
  t.not(production.state.primary(), before)
  t.ok(await holdsWithin(replicaStreams, 60_000), 'the former primary is a replica')
  t.ok(seen.writesFailedFor < 60)
})

t.test('failover after the primary was killed loses at most the writes in flight', async (t) => {
  await breaking(
    t,
    'primary killed, then failover',
    async () => {
      await docker(['kill', await containerId(production.state.primary())])
      const { code, output } = await prod('failover')
      t.equal(code, 0, output)
      for (const line of output.split('\n').filter((text) => / s {2}/.test(text))) report(line)
    },
    writable,
    // Replication is asynchronous: each of the eight writers may lose one update of a user and one order.
    { mayLose: 16 },
  )
  t.ok(await holdsWithin(replicaStreams, 60_000), 'the former primary is a replica')
})
