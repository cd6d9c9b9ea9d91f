import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import { until } from '@reference/async'
import { localStackError } from './errors.ts'
import { type RedisServer, startRedis } from './redis.ts'
import { findRedisCli, findRedisServer } from './redis-binary.ts'

export interface ClusterNode {
  host: string
  port: number
  /** 0 without TLS. */
  tlsPort: number
  pid: number
}

export interface RedisCluster {
  /** Three masters, then three replicas. */
  nodes: ClusterNode[]
  /** Value of REDIS_CLUSTER_NODES: `host:port,host:port,…`. */
  redisClusterNodes: string
  stop(): Promise<void>
}

export interface RedisClusterOptions {
  /** Settings over those of infra's redis.conf for each node. */
  settings?: Record<string, string>
  dir?: string
  program?: string
  /** Certificates, as files that the server can read. Nodes then talk to each other by TLS, and clients at `tlsPort`. */
  tls?: { ca: string; certificate: string; key: string }
}

const NODE_COUNT = 6
const TIMEOUT_MS = 60_000

/** Starts a Redis Cluster of three masters with a replica each on 127.0.0.1, and waits until every node is ready. */
export async function startRedisCluster(options: RedisClusterOptions = {}): Promise<RedisCluster> {
  const program = options.program ?? (await findRedisServer())
  const cli = await findRedisCli()
  const { dir, settings, tls } = options
  const started = await Promise.allSettled(
    Array.from({ length: NODE_COUNT }, () =>
      startRedis({
        program,
        ...(dir === undefined ? {} : { dir }),
        // The default port of the bus is port + 10000, where an outgoing connection may be.
        portSettings: ['cluster-port', ...(tls ? ['tls-port'] : [])],
        settings: {
          'cluster-enabled': 'yes',
          'cluster-node-timeout': '2000',
          'repl-diskless-sync-delay': '0',
          maxmemory: '64mb',
          ...(tls && tlsSettings(tls)),
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
    const addresses = servers.map(({ port, ports }) => `127.0.0.1:${ports['tls-port'] ?? port}`)
    await promisify(execFile)(
      cli,
      [
        ...(tls ? ['--tls', '--cacert', tls.ca] : []),
        ...['--cluster', 'create', ...addresses, '--cluster-replicas', '1', '--cluster-yes'],
      ],
      { timeout: TIMEOUT_MS },
    )
    const masters = await waitForAll(cli, servers)
    const nodes = servers
      .map(({ port, ports, pid }) => ({ host: '127.0.0.1', port, tlsPort: ports['tls-port'] ?? 0, pid }))
      .sort((a, b) => Number(masters.has(b.port)) - Number(masters.has(a.port)))
    return { nodes, redisClusterNodes: addresses.join(','), stop }
  } catch (error) {
    await stop()
    throw error
  }
}

const tlsSettings = (tls: { ca: string; certificate: string; key: string }) => ({
  'tls-cluster': 'yes',
  'tls-replication': 'yes',
  'tls-auth-clients': 'no',
  'tls-ca-cert-file': tls.ca,
  'tls-cert-file': tls.certificate,
  'tls-key-file': tls.key,
})

/** Waits until each node reports three masters with linked replicas: before that a failover has no replica to promote. */
async function waitForAll(cli: string, servers: RedisServer[]): Promise<Set<number>> {
  const ready = async () => {
    const views = await Promise.all(servers.map(({ port }) => viewOf(cli, port)))
    return views.every((view) => view?.ready) && views[0]?.masters
  }
  return until('the Redis Cluster is ready', ready, { timeoutMs: TIMEOUT_MS, intervalMs: 50 }).catch(
    (error) => {
      throw localStackError('SERVER_START_FAILED', error.message, error)
    },
  )
}

async function viewOf(
  cli: string,
  port: number,
): Promise<{ ready: boolean; masters: Set<number> } | undefined> {
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
      info.includes('cluster_state:ok') && rows.length === NODE_COUNT && masters.length === 3 && linked
    return { ready, masters: new Set(masters) }
  } catch {
    return undefined
  }
}
