import { until } from '@reference/async'
import { loadConfig } from '@reference/config'
import { redisCluster, testDatabase } from '@reference/local-stack'
import t from 'tap'
import { createProbes, probeSettings } from './index.ts'
import { ask, closedPort, hungPort } from './testing/index.ts'

const API = { name: 'api', defaults: { PORT: 8000, DB_POOL_MAX: 30 } }

function allOn(port: number) {
  return {
    pgbouncerUrl: `postgres://app:secret@127.0.0.1:${port}/app`,
    redisNodes: { nodes: [{ host: '127.0.0.1', port }], username: 'app', password: 'secret' },
  }
}

t.test('settings decide the rows and their thresholds', async (t) => {
  const environment = {
    DATABASE_URL: 'postgres://app@pgbouncer:6432/app',
    DATABASE_DIRECT_URL: 'postgres://app@postgres/app',
    REDIS_CLUSTER_NODES: 'redis-1:6379,redis-2:6379',
  }
  const probes = createProbes(probeSettings(loadConfig(API, environment)))
  t.match(probes.dependencies, [{ name: 'pgbouncer', thresholdMs: 1000, required: false }])
  t.match(probes.nodes, [
    { name: 'redis redis-1:6379', thresholdMs: 500 },
    { name: 'redis redis-2:6379', thresholdMs: 500 },
  ])
  await probes.close()
  const single = { DATABASE_URL: 'postgres://app@postgres/app', REDIS_URL: 'redis://redis' }
  const none = createProbes(probeSettings(loadConfig(API, single)))
  t.same([none.dependencies, none.nodes], [[], []])
})

t.test('an unavailable server fails each check at once, with a code; after close, every check', async (t) => {
  const probes = createProbes(allOn(await closedPort()))
  const all = [...probes.dependencies, ...probes.nodes]
  for (const probe of all) {
    t.equal(await ask(probe, 10_000), 'ECONNREFUSED', probe.name)
    t.equal(await ask(probe, 10_000), 'ECONNREFUSED', probe.name)
  }
  await probes.close()
  for (const probe of all) t.equal(await ask(probe), 'CLOSED', probe.name)
})

t.test('a check of a server that hangs ends at its limit and leaves no connection open', async (t) => {
  const hung = await hungPort(t)
  const probes = createProbes(allOn(hung.port))
  t.teardown(() => probes.close())
  const outcomes = await Promise.all(
    [...probes.dependencies, ...probes.nodes].map((probe) => ask(probe, 300)),
  )
  t.same(outcomes, ['TIMEOUT', 'TIMEOUT'])
  await until('every connection is closed', () => hung.open() === 0)
})

t.test('without access to the console, PgBouncer is probed by a query', async (t) => {
  // A Postgres has no console, so it stands for a PgBouncer whose console refuses the role.
  const { url } = await testDatabase(t)
  const probes = createProbes({ pgbouncerUrl: url })
  t.teardown(() => probes.close())
  t.equal(await ask(probes.dependencies[0], 20_000), 'ok')
})

t.test('each node of a cluster has its row; killing one fails that row alone', async (t) => {
  const cluster = await redisCluster(t)
  const probes = createProbes({ redisNodes: cluster })
  t.teardown(() => probes.close())
  const answers = () => Promise.all(probes.nodes.map((node) => ask(node, 5000)))
  t.same(await answers(), ['ok', 'ok', 'ok', 'ok', 'ok', 'ok'])
  process.kill(cluster.nodes[5]?.pid ?? 0, 'SIGKILL')
  await until('the killed node refuses', async () => (await ask(probes.nodes[5])) === 'ECONNREFUSED')
  t.same((await answers()).slice(0, 5), ['ok', 'ok', 'ok', 'ok', 'ok'])
})
