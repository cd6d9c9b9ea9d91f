import { execFile } from 'node:child_process'
import { setTimeout as delay } from 'node:timers/promises'
import { promisify } from 'node:util'
import { localStackError } from './errors.ts'
import { freePort } from './free-port.ts'
import { type RedisServer, startRedis } from './redis.ts'
import { findRedisCli, findRedisServer } from './redis-binary.ts'

export type ClusterNode = { host: string; port: number; pid: number }

export type RedisCluster = {
  /** Three masters, then three replicas. */
  nodes: ClusterNode[]
  /** As CONTRACT's REDIS_CLUSTER_NODES: `host:port,host:port,…`. */
  redisClusterNodes: string
  stop(): Promise<void>
}

export type RedisClusterOptions = {
  /** Settings over those of infra's redis.conf for each node. */
  settings?: Record<string, string>
  dir?: string
  program?: string
}

const nodeCount = 6
const timeoutMs = 60_000

/** A Redis Cluster of three masters with a replica each on 127.0.0.1; ready when all of them say so. */
export const startRedisCluster = async (options: RedisClusterOptions = {}): Promise<RedisCluster> => {
  const program = options.program ?? (await findRedisServer())
  const cli = await findRedisCli()
  const { dir, settings } = options
  const started = await Promise.allSettled(
    Array.from({ length: nodeCount }, async () =>
      startRedis({
        program,
        ...(dir === undefined ? {} : { dir }),
        settings: {
          'cluster-enabled': 'yes',
          // The port of the bus is port + 10000 by default, which a high port has no room for.
          'cluster-port': String(await freePort()),
          'cluster-node-timeout': '2000',
          'repl-diskless-sync-delay': '0',
          maxmemory: '64mb',
          ...settings,
        },
      }),
    ),
  )
  const servers = started.flatMap((one) => (one.status === 'fulfilled' ? [one.value] : []))
  const stop = async () => {
    await Promise.all(servers.map((server) => server.stop()))
  }
  try {
    const failed = started.find((one) => one.status === 'rejected')
    if (failed !== undefined) throw failed.reason
    const addresses = servers.map(({ port }) => `127.0.0.1:${port}`)
    await promisify(execFile)(
      cli,
      ['--cluster', 'create', ...addresses, '--cluster-replicas', '1', '--cluster-yes'],
      { timeout: timeoutMs },
    )
    const masters = await waitForAll(cli, servers)
    const nodes = servers
      .map(({ port, pid }) => ({ host: '127.0.0.1', port, pid }))
      .sort((a, b) => Number(masters.has(b.port)) - Number(masters.has(a.port)))
    return { nodes, redisClusterNodes: addresses.join(','), stop }
  } catch (error) {
    await stop()
    throw error
  }
}

/** Each node must know of three masters with linked replicas: before that a failover has nobody to promote. */
const waitForAll = async (cli: string, servers: RedisServer[]): Promise<Set<number>> => {
  const deadline = performance.now() + timeoutMs
  while (performance.now() < deadline) {
    const views = await Promise.all(servers.map(({ port }) => viewOf(cli, port)))
    const first = views[0]
    if (first !== undefined && views.every((view) => view?.ready)) return first.masters
    await delay(50)
  }
  throw localStackError('SERVER_START_FAILED', `The Redis Cluster was not ready within ${timeoutMs / 1000} s`)
}

const viewOf = async (
  cli: string,
  port: number,
): Promise<{ ready: boolean; masters: Set<number> } | undefined> => {
  const ask = async (...command: string[]) =>
    (await promisify(execFile)(cli, ['-p', String(port), ...command], { timeout: 5000 })).stdout
  try {
    const [info, nodes, replication] = await Promise.all([
      ask('cluster', 'info'),
      ask('cluster', 'nodes'),
      ask('info', 'replication'),
    ])
    const rows = nodes
      .trim()
      .split('\n')
      .map((line) => line.split(' '))
    const portOf = (row: string[]) => Number(/:(\d+)@/.exec(row[1] ?? '')?.[1])
    const masters = rows.filter((row) => row[2]?.includes('master')).map(portOf)
    const linked = replication.includes('role:master')
      ? replication.includes('state=online')
      : replication.includes('master_link_status:up')
    const ready =
      info.includes('cluster_state:ok') && rows.length === nodeCount && masters.length === 3 && linked
    return { ready, masters: new Set(masters) }
  } catch {
    return undefined
  }
}
