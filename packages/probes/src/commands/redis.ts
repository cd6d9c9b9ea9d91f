import { spawn } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import {
  action,
  EXIT_CODES,
  flag,
  formatBytes,
  formatPercent,
  formatTable,
  type Group,
  integer,
  runCommand,
  SettingsError,
} from '@reference/cli'
import { readRedisTarget } from '@reference/config'
import { clusterFaults, countSlots, SLOTS } from '../cluster-nodes.ts'
import { findRedisServers, type RedisAt, type RedisServer } from '../redis-servers.ts'

const DETAILS = `
The server is that of REDIS_URL or REDIS_CLUSTER_NODES, with REDIS_USERNAME, REDIS_PASSWORD, REDIS_TLS, REDIS_CA,
REDIS_CERT and REDIS_KEY, each also as NAME_FILE.
Nodes are reached at the addresses in these settings, other nodes at their addresses in the cluster.
Exit code 0, 1 when it failed or a status has a fault, 64 for wrong arguments, 78 for wrong settings.
`

const json = flag({ help: 'for programs' })

export const redisCommand: Group = {
  summary: 'Look into the Redis or Redis Cluster of the services, and move its slots.',
  details: DETAILS,
  commands: {
    status: lookUp('Check the servers; exit code 1 when one has a fault.', status),
    nodes: lookUp('List the servers: role, master, slots, state, lag of a replica.', nodes),
    stats: lookUp('List commands, hits, memory, evictions and clients of each server.', stats),
    slots: lookUp('Show how slots and keys are spread over the masters.', slots),
    rebalance: action({
      summary: 'Move slots until every master has an equal share.',
      options: {
        simulate: flag({ help: 'print what would move' }),
        'use-empty-masters': flag({ help: 'give slots to masters that have none' }),
        threshold: integer({ help: 'percent of imbalance that is accepted', maximum: 99, fallback: 2 }),
      },
      details: 'Needs redis-cli or valkey-cli on the PATH.',
      run: (options) => rebalance(readTarget(), options),
    }),
  },
}

if (import.meta.main) await runCommand('pnpm ops redis', redisCommand)

interface LookUpOptions {
  readonly json: boolean
}

function lookUp(
  summary: string,
  print: (at: RedisAt, options: LookUpOptions) => Promise<number | undefined>,
) {
  return action({ summary, options: { json }, run: (options) => print(readTarget(), options) })
}

function readTarget(): RedisAt {
  const at = readRedisTarget()
  if (at === undefined) throw new SettingsError('REDIS_URL or REDIS_CLUSTER_NODES must be set')
  return at
}

async function status(at: RedisAt, { json }: LookUpOptions): Promise<number> {
  const { cluster, servers } = await findRedisServers(at)
  const faults = [
    ...(cluster ? clusterFaults(servers.flatMap(({ node }) => node ?? [])) : []),
    ...servers.flatMap(({ address, error }) =>
      error === undefined ? [] : [`${address} does not answer: ${error}`],
    ),
    ...servers.flatMap(serverFaults),
  ]
  const masters = servers.filter(({ node, info }) => (node?.role ?? info?.get('role')) === 'master').length
  const [first] = servers.flatMap(({ info }) => info ?? [])
  const summary = {
    kind: cluster ? 'cluster' : 'single',
    version: first?.get('valkey_version') ?? first?.get('redis_version') ?? '?',
    servers: servers.length,
    masters,
    policy: first?.get('maxmemory_policy') ?? '?',
    faults,
  }
  if (json) printJson(summary)
  else {
    const what = cluster
      ? `Cluster of ${masters} masters, ${servers.length - masters} replicas`
      : 'One server'
    process.stdout.write(`${what}, version ${summary.version}, ${summary.policy}\n`)
    process.stdout.write(faults.length === 0 ? 'ok\n' : faults.map((fault) => `FAIL ${fault}\n`).join(''))
  }
  return faults.length === 0 ? EXIT_CODES.OK : EXIT_CODES.FAILED
}

function serverFaults({ address, info }: RedisServer): string[] {
  if (info === undefined) return []
  const faults: string[] = []
  if (info.get('role') === 'slave' && info.get('master_link_status') !== 'up') {
    faults.push(`${address} has lost its master ${info.get('master_host')}:${info.get('master_port')}`)
  }
  if (info.get('rdb_last_bgsave_status') === 'err') faults.push(`${address} could not save: see its log`)
  if (info.get('loading') === '1') faults.push(`${address} is loading its data`)
  return faults
}

async function nodes(at: RedisAt, { json }: LookUpOptions): Promise<undefined> {
  const { servers } = await findRedisServers(at)
  const rows = servers.map((server) => {
    const { node, info, address, error } = server
    const replica = (node?.role ?? info?.get('role')) !== 'master'
    return {
      address,
      id: node?.id.slice(0, 8) ?? info?.get('run_id')?.slice(0, 8) ?? '–',
      role: replica ? 'replica' : 'master',
      of: replica ? masterOf(server, servers) : '–',
      slots: node === undefined || replica ? '–' : countSlots(node),
      behind: replica && error === undefined ? behind(server, servers) : '–',
      state: error ?? (node?.faults.join(', ') || 'ok'),
    }
  })
  if (json) return printJson(rows)
  process.stdout.write(
    formatTable(
      ['server', 'id', 'role', 'of', 'slots', 'behind', 'state'],
      rows.map(Object.values<string | number>),
    ),
  )
}

/** The address of a replica's master; `?` when that is no longer in the cluster. */
function masterOf({ node, info }: RedisServer, servers: RedisServer[]): string {
  if (node === undefined) return `${info?.get('master_host')}:${info?.get('master_port')}`
  return servers.find((other) => other.node?.id === node.masterId)?.address ?? '?'
}

/** How many bytes of the replication stream the replica has not received. */
function behind({ node, info }: RedisServer, servers: RedisServer[]): string {
  const master = servers.find((other) => other.node !== undefined && other.node.id === node?.masterId)
  const [sent, received] = [master?.info?.get('master_repl_offset'), info?.get('slave_repl_offset')]
  return sent === undefined || received === undefined
    ? '–'
    : formatBytes(Math.max(0, Number(sent) - Number(received)))
}

async function stats(at: RedisAt, { json }: LookUpOptions): Promise<undefined> {
  const { servers } = await findRedisServers(at)
  const rows = servers.map(({ address, node, info, keys, error }) => {
    const figure = (name: string) => Number(info?.get(name) ?? 0)
    return {
      address,
      role: node?.role ?? (info?.get('role') === 'master' ? 'master' : 'replica'),
      error,
      opsPerSecond: figure('instantaneous_ops_per_sec'),
      commands: figure('total_commands_processed'),
      hits: figure('keyspace_hits'),
      misses: figure('keyspace_misses'),
      keys: keys ?? 0,
      usedBytes: figure('used_memory'),
      maxBytes: figure('maxmemory'),
      fragmentation: figure('mem_fragmentation_ratio'),
      evicted: figure('evicted_keys'),
      expired: figure('expired_keys'),
      clients: figure('connected_clients'),
      refused: figure('rejected_connections'),
    }
  })
  if (json) return printJson(rows)
  const head = [
    ...['server', 'role', 'ops/s', 'commands', 'hits', 'keys', 'used', 'of', 'fragm.'],
    ...['evicted', 'expired', 'clients', 'refused'],
  ]
  const lines = rows.map((row) => [
    row.address,
    row.error ?? row.role,
    row.opsPerSecond,
    row.commands,
    formatPercent(row.hits, row.hits + row.misses),
    row.keys,
    formatBytes(row.usedBytes),
    row.maxBytes === 0 ? '–' : formatBytes(row.maxBytes),
    row.fragmentation.toFixed(2),
    ...[row.evicted, row.expired, row.clients, row.refused],
  ])
  process.stdout.write(formatTable(head, lines))
}

async function slots(at: RedisAt, { json }: LookUpOptions): Promise<undefined> {
  requireCluster(at)
  const { servers } = await findRedisServers(at)
  const masters = servers.filter(({ node }) => node?.role === 'master')
  const fair = SLOTS / masters.filter(({ node }) => !node?.faults.includes('fail')).length
  const rows = masters.flatMap(({ address, node, keys }) => {
    if (node === undefined) return []
    const count = countSlots(node)
    const ranges = node.slots.map(([from, to]) => (from === to ? `${from}` : `${from}-${to}`))
    return [{ address, slots: count, ofFairShare: count / fair, keys: keys ?? 0, ranges }]
  })
  if (json) return printJson(rows)
  process.stdout.write(
    formatTable(
      ['master', 'slots', 'of a fair share', 'keys', 'ranges'],
      rows.map((row) => [
        row.address,
        row.slots,
        formatPercent(row.ofFairShare, 1),
        row.keys,
        row.ranges.join(' '),
      ]),
    ),
  )
}

type ClusterAt = Extract<RedisAt, { kind: 'cluster' }>

interface RebalanceOptions {
  readonly simulate: boolean
  readonly 'use-empty-masters': boolean
  readonly threshold: number
}

async function rebalance(at: RedisAt, options: RebalanceOptions): Promise<number> {
  requireCluster(at)
  const { servers } = await findRedisServers(at)
  const faults = clusterFaults(servers.flatMap(({ node }) => node ?? [])).filter(
    (fault) => !/without slots|no replica/.test(fault),
  )
  if (faults.length > 0)
    throw new Error(`The cluster has faults; slots are moved only without: ${faults.join('; ')}`)
  const folder = mkdtempSync(join(tmpdir(), 'redis-tls-'))
  const args = [...rebalanceArguments(at, servers[0]?.address ?? '', options), ...tlsArguments(at, folder)]
  // Every user of the machine can read the arguments of a process, so the password is passed in the environment.
  const env = { ...process.env, ...(at.password !== undefined && { REDISCLI_AUTH: at.password }) }
  try {
    for (const cli of ['redis-cli', 'valkey-cli']) {
      const code = await run(cli, args, env)
      if (code === undefined) continue
      if (code === 0 && !options.simulate) await slots(at, { json: false })
      return code === 0 ? 0 : EXIT_CODES.FAILED
    }
  } finally {
    rmSync(folder, { recursive: true })
  }
  throw new Error(
    `Neither redis-cli nor valkey-cli is on the PATH. In a container: docker compose exec redis redis-cli ${args.join(' ')}`,
  )
}

function rebalanceArguments(at: ClusterAt, address: string, options: RebalanceOptions): string[] {
  return [
    ...['--cluster', 'rebalance', address, '--cluster-threshold', `${options.threshold}`],
    ...(options.simulate ? ['--cluster-simulate'] : []),
    ...(options['use-empty-masters'] ? ['--cluster-use-empty-masters'] : []),
    ...(at.username === undefined ? [] : ['--user', at.username]),
    ...(at.password === undefined ? [] : ['--no-auth-warning']),
  ]
}

/** redis-cli takes certificates only from files. The folder belongs to this user alone. */
function tlsArguments({ tls }: ClusterAt, folder: string): string[] {
  if (tls === undefined) return []
  const files = Object.entries({ cacert: tls.ca, cert: tls.certificate, key: tls.key }).flatMap(
    ([name, pem]) => {
      if (pem === undefined) return []
      writeFileSync(join(folder, name), `${pem}\n`, { mode: 0o600 })
      return [`--${name}`, join(folder, name)]
    },
  )
  return ['--tls', ...files]
}

function requireCluster(at: RedisAt): asserts at is ClusterAt {
  if (at.kind === 'single') throw new Error('One Redis has no slots: REDIS_CLUSTER_NODES names a cluster')
}

/** @returns undefined when the program is not on the PATH */
function run(program: string, args: string[], env: NodeJS.ProcessEnv): Promise<number | undefined> {
  return new Promise((resolve, reject) => {
    spawn(program, args, { env, stdio: ['ignore', 'inherit', 'inherit'] })
      .once('error', (error: NodeJS.ErrnoException) =>
        error.code === 'ENOENT' ? resolve(undefined) : reject(error),
      )
      .once('close', (code) => resolve(code ?? EXIT_CODES.FAILED))
  })
}

function printJson(value: unknown): undefined {
  process.stdout.write(`${JSON.stringify(value, null, 2)}\n`)
}
