import { setTimeout as delay } from 'node:timers/promises'
import { redisCluster, testDatabase, testRedis } from '@reference/local-stack'
import t, { type Test } from 'tap'
import { type CoherenceReport, runCoherence } from '../test-helpers/coherence/run.ts'
import { createDeafProxy } from '../test-helpers/deaf-proxy.ts'
import { failOver, killConnections } from '../test-helpers/faults.ts'
import type { Safeguard } from './index.ts'

// COHERENCE_SECONDS=30 is the long form. With a safeguard off, a few seconds show it.
const seconds = Number(process.env.COHERENCE_SECONDS ?? 8)
const secondsWithout = 4

t.setTimeout((seconds * 3 + 120) * 1_000)

/** Connections killed, links gone deaf; processes paused and writers killed come with every run. */
async function onOneRedis(test: Test, secondsEach: number, without: Safeguard[]): Promise<CoherenceReport> {
  const [database, redis] = await Promise.all([
    testDatabase(test, { from: 'empty' }),
    testRedis(test, { own: true }),
  ])
  const proxy = await createDeafProxy(redis.port)
  test.teardown(() => proxy.close())
  return runCoherence({
    redis: { kind: 'single', url: proxy.url },
    databaseUrl: database.url,
    seconds: secondsEach,
    without,
    faults: async (at) => {
      await at(0.2)
      await killConnections(redis.port, 'normal')
      for (const share of [0.35, 0.65]) {
        await at(share)
        proxy.makeDeaf()
        await delay(900)
        proxy.makeHear()
      }
      await at(0.9)
      await killConnections(redis.port, 'pubsub')
    },
  })
}

t.test('on one Redis nobody reads an old version, whatever is killed, paused or deaf', async (t) => {
  const report = await onOneRedis(t, seconds, [])
  t.comment(summaryOf(report))
  isCoherent(t, report)
})

t.test(
  'on a Cluster nobody reads an old version, while a master is failed over and another one killed',
  async (t) => {
    const [database, cluster] = await Promise.all([testDatabase(t, { from: 'empty' }), redisCluster(t)])
    const [first, second, third] = cluster.nodes
    if (first === undefined || second === undefined || third === undefined) throw new Error('no masters')
    const report = await runCoherence({
      redis: { kind: 'cluster', nodes: cluster.nodes.map(({ host, port }) => ({ host, port })) },
      databaseUrl: database.url,
      seconds: Math.max(seconds, 10),
      faults: async (at) => {
        await at(0.1)
        await killConnections(third.port, 'pubsub')
        await at(0.2)
        await failOver(first.port)
        await at(0.35)
        process.kill(second.pid, 'SIGKILL')
        await at(0.8)
        await killConnections(third.port, 'normal')
      },
    })
    t.comment(summaryOf(report))
    isCoherent(t, report)
  },
)

for (const safeguard of ['leases', 'tracking', 'proofOfLife', 'outbox'] as const) {
  t.test(`the same test finds old versions when ${safeguard} is off`, async (t) => {
    let report: CoherenceReport | undefined
    // A machine that is busy with other things may read too little to see it at once.
    for (let attempt = 0; attempt < 3 && !(report && report.stale > 0); attempt++) {
      report = await onOneRedis(t, secondsWithout, [safeguard])
      t.comment(summaryOf(report))
    }
    t.ok(report && report.stale > 0, 'stale reads were found', { report })
  })
}

function isCoherent(t: Test, report: CoherenceReport) {
  t.equal(report.stale, 0, 'stale reads', { report })
  t.equal(report.backwards, 0, 'versions that went backwards', { report })
  t.same(report.failures, [], 'failed reads and writes')
  t.ok(
    report.killed > 0 && report.paused > 0 && (report.from.l1 ?? 0) > 0,
    'the faults and tier 1 were there',
    { report },
  )
}

function summaryOf({
  reads,
  writes,
  stale,
  backwards,
  worstLagMs,
  from,
  undelivered,
}: CoherenceReport): string {
  return JSON.stringify({
    reads,
    writes,
    stale,
    backwards,
    worstLagMs: Math.round(worstLagMs),
    from,
    undelivered,
  })
}
