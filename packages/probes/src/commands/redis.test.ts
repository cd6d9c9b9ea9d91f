import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import { until } from '@reference/async'
import { runFile, withPath } from '@reference/cli/testing'
import { findRedisCli, redisCluster, testRedis } from '@reference/local-stack'
import t from 'tap'
import { clusterFaults, parseClusterNodes } from '../cluster-nodes.ts'

function run(args: string[], env: Record<string, string | undefined>) {
  return runFile(new URL('./redis.ts', import.meta.url), args, withPath(env))
}

const cli = async (port: number, ...args: string[]) =>
  (await promisify(execFile)(await findRedisCli(), ['-p', `${port}`, ...args])).stdout

t.test('shows each node of a cluster, and rebalances its slots', async (t) => {
  const cluster = await redisCluster(t)
  const env = { REDIS_CLUSTER_NODES: cluster.redisClusterNodes }
  const [first, second] = cluster.nodes
  const port = first?.port ?? 0
  for (let n = 0; n < 20; n++) await cli(port, '-c', 'set', `key:${n}`, 'x')

  t.match(await run(['status'], env), {
    code: 0,
    stdout: /^Cluster of 3 masters, 3 replicas, version [\d.]+, allkeys-l[rf]u\nok\n$/,
  })
  const { stdout: nodes } = await run(['nodes'], env)
  t.equal(nodes.match(/ master +– +546[12] /g)?.length, 3)
  t.equal(nodes.match(/ replica +127\.0\.0\.1:\d+ .* ok$/gm)?.length, 3)

  const stats = JSON.parse((await run(['stats', '--json'], env)).stdout)
  t.equal(stats.length, 6)
  t.match(stats[0], { role: 'master', commands: Number, maxBytes: 64 * 1024 ** 2, evicted: 0 })
  t.match((await run(['stats'], env)).stdout, /^server +role +ops\/s +commands +hits +keys +used +of /)

  const ids = async (of: number) => (await cli(of, 'cluster', 'myid')).trim()
  await promisify(execFile)(await findRedisCli(), [
    ...['--cluster', 'reshard', `127.0.0.1:${port}`, '--cluster-from', await ids(port)],
    ...['--cluster-to', await ids(second?.port ?? 0), '--cluster-slots', '2000', '--cluster-yes'],
  ])
  const slotsOf = async () =>
    JSON.parse((await run(['slots', '--json'], env)).stdout).map(({ slots }: { slots: number }) => slots)
  await until('every node reports the uneven slots', async () => Math.max(...(await slotsOf())) > 7000)
  t.match((await run(['rebalance', '--simulate'], env)).code, 0)
  t.ok(Math.max(...(await slotsOf())) > 7000, 'a simulation moves nothing')
  const done = await run(['rebalance'], env)
  t.equal(done.code, 0, done.stderr)
  await until('the slots are even', async () => Math.max(...(await slotsOf())) < 5600)
  const keys = JSON.parse((await run(['slots', '--json'], env)).stdout)
  t.equal(
    keys.reduce((sum: number, row: { keys: number }) => sum + row.keys, 0),
    20,
    'no key is lost',
  )

  process.kill(cluster.nodes[5]?.pid ?? 0, 'SIGKILL')
  const degraded = await until('status reports the lost node', async () => {
    const outcome = await run(['status'], env)
    return outcome.code === 1 && /has no replica/.test(outcome.stdout) ? outcome : undefined
  })
  t.match(
    degraded.stdout,
    new RegExp(`^FAIL 127\\.0\\.0\\.1:${cluster.nodes[5]?.port} does not answer: ECONNREFUSED$`, 'm'),
  )
})

t.test('shows a single Redis, which has no slots', async (t) => {
  const { url } = await testRedis(t)
  const env = { REDIS_URL: url }
  t.match(await run(['status'], env), { code: 0, stdout: /^One server, version .*\nok\n$/ })
  t.match(await run(['nodes'], env), { code: 0, stdout: / master +– +– +– +ok\n$/ })
  t.match(await run(['stats'], env), { code: 0 })
  t.match(await run(['slots'], env), { code: 1, stderr: /no slots/ })
})

t.test('wrong arguments and settings are named', async (t) => {
  const env = { REDIS_URL: 'redis://127.0.0.1:1' }
  t.match(await run(['--help'], {}), { code: 0, stdout: /^pnpm ops redis <command>/ })
  t.match(await run(['flush'], env), { code: 64, stderr: /status, nodes, stats, slots, rebalance/ })
  t.match(await run(['status', '--fast'], env), { code: 64, stderr: /--fast/ })
  t.match(await run(['rebalance', '--threshold', 'x'], env), { code: 64, stderr: /--threshold/ })
  t.match(await run(['status'], {}), { code: 78, stderr: /REDIS_URL or REDIS_CLUSTER_NODES must be set/ })
  t.match(await run(['status'], { REDIS_URL: 'http://x' }), { code: 78, stderr: /REDIS_URL: must be a URL/ })
  t.match(await run(['status'], env), { code: 1, stderr: /ECONNREFUSED/ })
})

t.test('parses CLUSTER NODES with host names, migrating slots and failing nodes', async (t) => {
  const nodes = parseClusterNodes(
    [
      'a1 10.0.0.1:6379@16379,redis-1 myself,master - 0 1 1 connected 0-5460 5463 [93-<-b2]',
      'b2 10.0.0.2:6379@16379,redis-2,shard-id=x master - 0 1 2 connected 5461-5462 5464-16383',
      'c3 10.0.0.3:6379@16379 slave,fail? a1 0 1 1 disconnected',
      '',
    ].join('\n'),
  )
  t.match(nodes, [
    {
      host: 'redis-1',
      port: 6379,
      role: 'master',
      myself: true,
      slots: [
        [0, 5460],
        [5463, 5463],
      ],
      faults: [],
    },
    { host: 'redis-2', role: 'master', masterId: undefined },
    { host: '10.0.0.3', role: 'replica', masterId: 'a1', faults: ['fail?'], linked: false },
  ])
  t.same(clusterFaults(nodes), [
    '10.0.0.3:6379 is fail?',
    'redis-1:6379 has no replica: its slots are lost with it',
    'redis-2:6379 has no replica: its slots are lost with it',
  ])
  t.match(clusterFaults(nodes.slice(1)), ['5462 of 16384 slots have no master'])
})
