import { setTimeout as sleep } from 'node:timers/promises'
import t, { type Test } from 'tap'
import { audit, startLedger } from './ledger.ts'
import { percentile, reads, send, startLoad, until } from './load.ts'
import { theProduction } from './production.ts'

const { production, origin, rate, authorization, docker, prod, one, ask } = theProduction()

const containerId = async (service: string) =>
  (await production.compose(['ps', '--all', '--quiet', service])).trim()

interface Seen {
  failedReads: number
  /** From the first to the last failure, in seconds. */
  readsFailedFor: number
  failedWrites: number
  writesFailedFor: number
}

const span = (list: readonly { atMs: number }[]) =>
  list.length === 0 ? 0 : Math.round(((list.at(-1)?.atMs ?? 0) - (list[0]?.atMs ?? 0)) / 100) / 10

/** Reads and a ledger of writes while something breaks; then every row is looked at. */
async function breaking(
  t: Test,
  fault: () => Promise<void>,
  recovered: () => Promise<boolean>,
): Promise<Seen> {
  const ledger = startLedger(origin, authorization)
  const load = startLoad(origin, rate, reads)
  try {
    await sleep(2000)
    await fault()
    t.ok(await until(recovered, 60_000), 'it recovers by itself within a minute')
    await sleep(3000)
  } finally {
    await ledger.stop()
  }
  const { sent, failures, latencies } = await load.stop()
  // Whatever the outbox holds is delivered within a second.
  await sleep(2000)
  const { lost, stale } = await audit(ledger, origin, ask)
  const failedWrites = ledger.failed.toSorted((a, b) => a.atMs - b.atMs)
  const failedReads = failures.toSorted((a, b) => a.atMs - b.atMs)
  const seen = {
    failedReads: failedReads.length,
    readsFailedFor: span(failedReads),
    failedWrites: failedWrites.length,
    writesFailedFor: span(failedWrites),
  }
  t.comment(
    `${failedReads.length} of ${sent} reads failed over ${seen.readsFailedFor} s (p99 ${percentile(latencies, 0.99)} ms); ` +
      `${failedWrites.length} writes failed over ${seen.writesFailedFor} s, ${ledger.acknowledged} were acknowledged`,
  )
  t.same(lost, [], 'nothing acknowledged is lost')
  t.same(stale, [], 'nothing stale is read')
  return seen
}

const writable = async () =>
  (
    await send(origin, {
      method: 'PATCH',
      path: '/users/100',
      headers: authorization,
      body: { name: 'probe' },
    })
  ).status === 200

const redisWhole = async () => {
  const script =
    'REDISCLI_AUTH=$(</run/secrets/redis_admin_password) exec redis-cli --user admin --no-auth-warning CLUSTER INFO'
  for (const node of ['redis-1', 'redis-2', 'redis-3', 'redis-4', 'redis-5', 'redis-6']) {
    const info = await production.exec(node, ['bash', '-c', script]).catch(() => '')
    if (!/cluster_state:ok/.test(info) || !/cluster_slots_ok:16384/.test(info)) return false
  }
  return true
}

const replicaStreams = async () =>
  (await ask('SELECT count(*) FROM pg_stat_replication').catch(() => '0')) === '1'

t.test('the Postgres replica is killed: nothing fails', async (t) => {
  const id = await containerId(production.state.replica())
  const seen = await breaking(
    t,
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
    async () => {
      await production.compose(['kill', ...nodes])
      await sleep(4000)
      // In another order, so that they may get other addresses.
      for (const node of nodes.toReversed()) await docker(['start', await containerId(node)])
    },
    redisWhole,
  )
  t.equal(seen.failedReads, 0)
  t.equal(seen.failedWrites, 0)
})

t.test('PgBouncer is restarted: what needs the database fails for seconds', async (t) => {
  const { id } = await one('pgbouncer')
  const seen = await breaking(t, async () => void (await docker(['restart', id])), writable)
  t.ok(seen.writesFailedFor < 15)
})

t.test('the Postgres primary is restarted: what needs it fails until it is back', async (t) => {
  const id = await containerId(production.state.primary())
  const seen = await breaking(t, async () => void (await docker(['restart', id])), writable)
  t.ok(seen.writesFailedFor < 30)
})

t.test('failover while the primary lives loses nothing', async (t) => {
  const before = production.state.primary()
  const seen = await breaking(
    t,
    async () => {
      const { code, output } = await prod('failover')
      t.equal(code, 0, output)
      for (const line of output.split('\n').filter((text) => / s {2}/.test(text))) t.comment(line)
    },
    writable,
  )
  t.not(production.state.primary(), before)
  t.ok(await until(replicaStreams, 60_000), 'the former primary is a replica')
  t.ok(seen.writesFailedFor < 60)
})

t.test('failover after the primary was killed: what was acknowledged and not sent is told', async (t) => {
  const ledger = startLedger(origin, authorization)
  await sleep(3000)
  await docker(['kill', await containerId(production.state.primary())])
  const { code, output } = await prod('failover')
  t.equal(code, 0, output)
  for (const line of output.split('\n').filter((text) => / s {2}/.test(text))) t.comment(line)
  t.ok(await until(writable, 30_000))
  await ledger.stop()
  await sleep(2000)
  const { lost, stale } = await audit(ledger, origin, ask)
  // Replication is asynchronous: the last moment may be missing, never more.
  t.comment(
    `${lost.length} of ${ledger.acknowledged} acknowledged writes are lost; ${ledger.failed.length} failed over ${span(ledger.failed.toSorted((a, b) => a.atMs - b.atMs))} s`,
  )
  t.ok(lost.length <= 16)
  t.same(stale, [])
})
