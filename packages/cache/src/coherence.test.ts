import { setTimeout as delay } from 'node:timers/promises'
import { redisCluster, testDatabase, testRedis } from '@reference/local-stack'
import t, { type Test } from 'tap'
import type { RedisTarget } from './index.ts'
import type { Safeguard } from './safeguards.ts'
import { type CoherenceReport, runCoherence } from './testing/coherence/run.ts'
import { createDeafProxy } from './testing/deaf-proxy.ts'
import { admin, failOver, killConnections, REFUSALS, type RefusalFault, replicate } from './testing/faults.ts'
import { createSwitchProxy } from './testing/switch-proxy.ts'

// COHERENCE_SECONDS=30 is the long form, which also has each refusal and each safeguard alone. With a safeguard off, a few seconds show stale reads.
const IS_LONG = process.env.COHERENCE_SECONDS !== undefined
const SECONDS = Number(process.env.COHERENCE_SECONDS ?? 8)
const SECONDS_WITHOUT = 4
/** Most of it after the cut: the connections have to come back, and a stale read counts only a second after its write. */
const SECONDS_CUT = 6
const CUT_MS = 800
const IN_TURN_MS = 2_000
/** Much longer than other processes may read the old version of a refused write. */
const ALONE_MS = 4_000

t.setTimeout((IS_LONG ? 1_800 : 290) * 1_000)

/** An empty database, and a Redis that the processes reach by a proxy. */
async function openServers(test: Test) {
  const [database, redis] = await Promise.all([
    testDatabase(test, { from: 'empty' }),
    testRedis(test, { own: true }),
  ])
  const proxy = await createDeafProxy(redis.port)
  test.teardown(() => proxy.close())
  const servers = { redis: { kind: 'single', url: proxy.url }, databaseUrl: database.url } as const
  return { redis, proxy, servers }
}

/** Connections are killed and links become deaf. Every run pauses processes and kills writers, too. */
async function onOneRedis(test: Test, secondsEach: number, without: Safeguard[]): Promise<CoherenceReport> {
  const { redis, proxy, servers } = await openServers(test)
  return runCoherence({
    ...servers,
    seconds: secondsEach,
    without,
    faults: async (at) => {
      await at(0.2)
      await killConnections(redis.port, 'normal')
      for (const share of [0.35, 0.65]) {
        await at(share)
        proxy.makeDeaf()
        await delay(900)
        proxy.endDeafness()
      }
      await at(0.9)
      await killConnections(redis.port, 'pubsub')
    },
  })
}

/** Redis cannot be reached while writes commit, and is back afterwards with the values that it had. */
async function unreachableRedis(test: Test, without: Safeguard[]): Promise<CoherenceReport> {
  const { proxy, servers } = await openServers(test)
  return runCoherence({
    ...servers,
    seconds: SECONDS_CUT,
    without,
    faults: async (at) => {
      await at(0.2)
      proxy.cut()
      await delay(CUT_MS)
      proxy.mend()
    },
  })
}

interface Refusing {
  refusals: readonly RefusalFault[]
  refusedMs: number
  without: Safeguard[]
}

/** Redis refuses writes in each of the ways of `refusals`, one after the other, and answers reads all the time. */
async function refusingRedis(test: Test, refusing: Refusing): Promise<CoherenceReport> {
  const redis = await testRedis(test, { own: true })
  return runRefusing(test, { kind: 'single', url: redis.url }, [redis.port], refusing)
}

/** The same, by the first `masters` masters of a Cluster. */
async function refusingMasters(test: Test, masters: number, refusing: Refusing): Promise<CoherenceReport> {
  const { nodes } = await redisCluster(test)
  const target = { kind: 'cluster', nodes: nodes.map(({ host, port }) => ({ host, port })) } as const
  return runRefusing(
    test,
    target,
    nodes.slice(0, masters).map(({ port }) => port),
    refusing,
  )
}

async function runRefusing(
  test: Test,
  redis: RedisTarget,
  ports: readonly number[],
  { refusals, refusedMs, without }: Refusing,
): Promise<CoherenceReport> {
  const database = await testDatabase(test, { from: 'empty' })
  const eachMs = refusedMs + 1_000
  const totalMs = refusals.length * eachMs + 1_000
  return runCoherence({
    redis,
    databaseUrl: database.url,
    seconds: totalMs / 1_000,
    without,
    faults: async (at) => {
      for (const [index, { cause }] of refusals.entries()) {
        await at((index * eachMs + 800) / totalMs)
        const mends = await Promise.all(ports.map(cause))
        await delay(refusedMs)
        await Promise.all(mends.map((mend) => mend()))
      }
    },
  })
}

/** A replica takes over under the name of its master, which is demoted and keeps the connections that it has. */
async function demotedRedis(test: Test, without: Safeguard[]) {
  const [database, first, second] = await Promise.all([
    testDatabase(test, { from: 'empty' }),
    testRedis(test, { own: true }),
    testRedis(test, { own: true }),
  ])
  await replicate(first.port, second.port)
  const proxy = await createSwitchProxy(first.port)
  test.teardown(() => proxy.close())
  return runCoherence({
    redis: { kind: 'single', url: proxy.url },
    databaseUrl: database.url,
    seconds: 6,
    without,
    faults: async (at) => {
      await at(0.3)
      await admin(second.port, (server) => server.replicaof('NO', 'ONE'))
      await admin(first.port, (server) => server.replicaof('127.0.0.1', second.port))
      proxy.switchTo(second.port)
    },
  })
}

t.test('on one Redis no process reads an old version, whatever is killed, paused or deaf', async (t) => {
  const report = await onOneRedis(t, SECONDS, [])
  t.comment(summaryOf(report))
  isCoherent(t, report)
})

t.test(
  'on a Cluster no process reads an old version while a master is failed over and another one killed',
  async (t) => {
    const [database, cluster] = await Promise.all([testDatabase(t, { from: 'empty' }), redisCluster(t)])
    const [first, second, third] = cluster.nodes
    if (first === undefined || second === undefined || third === undefined) throw new Error('no masters')
    const report = await runCoherence({
      redis: { kind: 'cluster', nodes: cluster.nodes.map(({ host, port }) => ({ host, port })) },
      databaseUrl: database.url,
      seconds: Math.max(SECONDS, 10),
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

for (const safeguard of IS_LONG ? (['leases', 'tracking', 'proofOfLife'] as const) : (['leases'] as const)) {
  t.test(`the same test finds old versions when ${safeguard} is off`, (t) =>
    findsStale(t, () => onOneRedis(t, SECONDS_WITHOUT, [safeguard])),
  )
}

t.test('no process reads an old version of a row that was written while Redis was unreachable', async (t) => {
  const report = await unreachableRedis(t, [])
  t.comment(summaryOf(report))
  isCoherent(t, report)
  t.ok(report.undelivered > 0, 'invalidations did not reach Redis')
})

t.test('the same test finds old versions when the outbox is off', (t) =>
  findsStale(t, () => unreachableRedis(t, ['outbox'])),
)

t.test(
  'on one Redis no process reads an old version while writes are refused, for whatever reason',
  async (t) => {
    const report = await refusingRedis(t, { refusals: REFUSALS, refusedMs: IN_TURN_MS, without: [] })
    t.comment(summaryOf(report))
    isCoherent(t, report)
    t.ok(report.undelivered > 0, 'writes were refused')
  },
)

t.test('no process reads an old version after a failover under the same name', async (t) => {
  const report = await demotedRedis(t, [])
  t.comment(summaryOf(report))
  isCoherent(t, report)
})

t.test('the same test finds old versions when the proof of writes is off', (t) =>
  findsStale(t, () =>
    refusingRedis(t, { refusals: REFUSALS.slice(0, 1), refusedMs: ALONE_MS, without: ['writeProof'] }),
  ),
)

if (IS_LONG) {
  // A demoted master of a Cluster answers MOVED and not READONLY: the test of the Cluster above has it.
  const onMaster = REFUSALS.filter(({ code }) => code !== 'READONLY')
  t.test('on a Cluster no process reads an old version while a master refuses writes', async (t) => {
    const report = await refusingMasters(t, 1, { refusals: onMaster, refusedMs: IN_TURN_MS, without: [] })
    t.comment(summaryOf(report))
    isCoherent(t, report)
    t.ok(report.undelivered > 0, 'writes were refused')
  })
  // With MISCONF Redis refuses PING as well, so that without the proof of writes the proof of life still empties tier 1.
  for (const refusal of REFUSALS.filter(({ code }) => code !== 'MISCONF')) {
    const alone: Refusing = { refusals: [refusal], refusedMs: ALONE_MS, without: ['writeProof'] }
    t.test(`${refusal.code} on one Redis alone finds old versions without the proof of writes`, (t) =>
      findsStale(t, () => refusingRedis(t, alone)),
    )
    if (!onMaster.includes(refusal)) continue
    t.test(`${refusal.code} on a Cluster alone finds old versions without the proof of writes`, (t) =>
      findsStale(t, () => refusingMasters(t, 3, alone)),
    )
  }
  t.test('a failover under the same name alone finds old versions without the proof of writes', (t) =>
    findsStale(t, () => demotedRedis(t, ['writeProof'])),
  )
}

async function findsStale(t: Test, run: () => Promise<CoherenceReport>) {
  let report: CoherenceReport | undefined
  // A machine that is busy with other things may read too little to see it at once.
  for (let attempt = 0; attempt < 6 && !(report && report.stale > 0); attempt++) {
    report = await run()
    t.comment(summaryOf(report))
  }
  t.ok(report && report.stale > 0, 'stale reads were found', { report })
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
