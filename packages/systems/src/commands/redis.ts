import { spawn } from 'node:child_process'
import { parseArgs } from 'node:util'
import {
  argumentsOf,
  bytes,
  exitCodes,
  percent,
  runCommand,
  SettingsError,
  table,
  UsageError,
} from '@reference/command'
import { readRedisTarget } from '@reference/config'
import { clusterFaults, countSlots, SLOTS } from '../cluster-nodes.ts'
import { findRedisServers, type RedisAt, type RedisServer } from '../redis-servers.ts'

const help = `redis - looks at the Redis or the Redis Cluster of the services, and moves its slots

  pnpm redis status       whether it is whole; exit code 1 when not
  pnpm redis nodes        each server: role, master, slots, state, how far a replica is behind
  pnpm redis stats        each server: commands, hits, memory, evictions, clients
  pnpm redis slots        how slots and keys are spread over the masters
  pnpm redis rebalance [--simulate] [--use-empty-masters] [--threshold PERCENT]
                          moves slots until all masters have as many; nothing below the threshold (2 %)

  --json   for programs (not with rebalance)

Of REDIS_URL or REDIS_CLUSTER_NODES, with REDIS_USERNAME and REDIS_PASSWORD, each also as NAME_FILE. Nodes are reached as
these name them, else as the cluster announces them. rebalance needs redis-cli or valkey-cli on the PATH.
Exit code 0, or 1 when it failed or a status is not well, 64 for wrong arguments, 78 for wrong settings.
`

const commands = { status, nodes, stats, slots, rebalance }
type Options = ReturnType<typeof read>['values']

await runCommand(help, async () => {
  const { values, positionals } = read()
  const [name, ...rest] = positionals
  if (values.help) {
    process.stdout.write(help)
    return 0
  }
  if (name === undefined || !(name in commands) || rest.length > 0) {
    throw new UsageError(`redis takes one of ${Object.keys(commands).join(', ')}`)
  }
  if (!/^\d{1,2}$/.test(values.threshold)) throw new UsageError('--threshold is a percentage from 0 to 99')
  return (await commands[name as keyof typeof commands](target(), values)) ?? 0
})

function read() {
  return parseArgs({
    args: argumentsOf(),
    allowPositionals: true,
    options: {
      json: { type: 'boolean', default: false },
      simulate: { type: 'boolean', default: false },
      'use-empty-masters': { type: 'boolean', default: false },
      threshold: { type: 'string', default: '2' },
      help: { type: 'boolean', short: 'h', default: false },
    },
  })
}

function target(): RedisAt {
  const at = readRedisTarget()
  if (at === undefined) throw new SettingsError('REDIS_URL or REDIS_CLUSTER_NODES must be set')
  return at
}

async function status(at: RedisAt, { json }: Options): Promise<number> {
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
  if (json) print(summary)
  else {
    const what = cluster
      ? `Cluster of ${masters} masters, ${servers.length - masters} replicas`
      : 'One server'
    process.stdout.write(`${what}, version ${summary.version}, ${summary.policy}\n`)
    process.stdout.write(faults.length === 0 ? 'ok\n' : faults.map((fault) => `FAIL ${fault}\n`).join(''))
  }
  return faults.length === 0 ? 0 : exitCodes.failed
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

async function nodes(at: RedisAt, { json }: Options): Promise<void> {
  const { servers } = await findRedisServers(at)
  const addressOf = new Map(servers.map(({ node, address }) => [node?.id, address]))
  const rows = servers.map((server) => {
    const { node, info, address, error } = server
    const replica = (node?.role ?? info?.get('role')) !== 'master'
    const master =
      node === undefined
        ? `${info?.get('master_host')}:${info?.get('master_port')}`
        : addressOf.get(node.masterId)
    return {
      address,
      id: node?.id.slice(0, 8) ?? info?.get('run_id')?.slice(0, 8) ?? '–',
      role: replica ? 'replica' : 'master',
      of: replica ? (master ?? '?') : '–',
      slots: node === undefined || replica ? '–' : countSlots(node),
      behind: replica && error === undefined ? behind(server, servers) : '–',
      state: error ?? (node?.faults.join(', ') || 'ok'),
    }
  })
  if (json) return print(rows)
  process.stdout.write(
    table(
      ['server', 'id', 'role', 'of', 'slots', 'behind', 'state'],
      rows.map(Object.values<string | number>),
    ),
  )
}

/** Bytes of the stream that a replica has not had. */
function behind({ node, info }: RedisServer, servers: RedisServer[]): string {
  const master = servers.find((other) => other.node !== undefined && other.node.id === node?.masterId)
  const [sent, had] = [master?.info?.get('master_repl_offset'), info?.get('slave_repl_offset')]
  return sent === undefined || had === undefined ? '–' : bytes(Math.max(0, Number(sent) - Number(had)))
}

async function stats(at: RedisAt, { json }: Options): Promise<void> {
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
  if (json) return print(rows)
  const head = [
    ...['server', 'role', 'ops/s', 'commands', 'hits', 'keys', 'used', 'of', 'fragm.'],
    ...['evicted', 'expired', 'clients', 'refused'],
  ]
  const lines = rows.map((row) => [
    row.address,
    row.error ?? row.role,
    row.opsPerSecond,
    row.commands,
    percent(row.hits, row.hits + row.misses),
    row.keys,
    bytes(row.usedBytes),
    row.maxBytes === 0 ? '–' : bytes(row.maxBytes),
    row.fragmentation.toFixed(2),
    ...[row.evicted, row.expired, row.clients, row.refused],
  ])
  process.stdout.write(table(head, lines))
}

async function slots(at: RedisAt, { json }: Options): Promise<void> {
  if (at.kind === 'single') throw new Error('One Redis has no slots: REDIS_CLUSTER_NODES names a cluster')
  const { servers } = await findRedisServers(at)
  const masters = servers.filter(({ node }) => node?.role === 'master')
  const fair = SLOTS / masters.filter(({ node }) => !node?.faults.includes('fail')).length
  const rows = masters.flatMap(({ address, node, keys }) => {
    if (node === undefined) return []
    const count = countSlots(node)
    const ranges = node.slots.map(([from, to]) => (from === to ? `${from}` : `${from}-${to}`))
    return [{ address, slots: count, ofFairShare: count / fair, keys: keys ?? 0, ranges }]
  })
  if (json) return print(rows)
  process.stdout.write(
    table(
      ['master', 'slots', 'of a fair share', 'keys', 'ranges'],
      rows.map((row) => [
        row.address,
        row.slots,
        percent(row.ofFairShare, 1),
        row.keys,
        row.ranges.join(' '),
      ]),
    ),
  )
}

async function rebalance(at: RedisAt, options: Options): Promise<number> {
  if (at.kind === 'single') throw new Error('One Redis has no slots: REDIS_CLUSTER_NODES names a cluster')
  const { servers } = await findRedisServers(at)
  const faults = clusterFaults(servers.flatMap(({ node }) => node ?? [])).filter(
    (fault) => !/without slots|no replica/.test(fault),
  )
  if (faults.length > 0)
    throw new Error(`Slots are moved only in a cluster that is whole: ${faults.join('; ')}`)
  const [first] = servers
  const args = [
    ...['--cluster', 'rebalance', first?.address ?? '', '--cluster-threshold', options.threshold],
    ...(options.simulate ? ['--cluster-simulate'] : []),
    ...(options['use-empty-masters'] ? ['--cluster-use-empty-masters'] : []),
    ...(at.username === undefined ? [] : ['--user', at.username]),
    ...(at.password === undefined ? [] : ['--no-auth-warning']),
  ]
  // The password is not an argument: those are seen by everybody on the machine.
  const env = { ...process.env, ...(at.password !== undefined && { REDISCLI_AUTH: at.password }) }
  for (const cli of ['redis-cli', 'valkey-cli']) {
    const code = await run(cli, args, env)
    if (code === undefined) continue
    if (code === 0 && !options.simulate) await slots(at, options)
    return code === 0 ? 0 : exitCodes.failed
  }
  throw new Error(
    `Neither redis-cli nor valkey-cli is on the PATH. In a container: docker compose exec redis redis-cli ${args.join(' ')}`,
  )
}

/** @returns undefined when there is no such program */
function run(program: string, args: string[], env: NodeJS.ProcessEnv): Promise<number | undefined> {
  return new Promise((resolve, reject) => {
    spawn(program, args, { env, stdio: ['ignore', 'inherit', 'inherit'] })
      .once('error', (error: NodeJS.ErrnoException) =>
        error.code === 'ENOENT' ? resolve(undefined) : reject(error),
      )
      .once('close', (code) => resolve(code ?? exitCodes.failed))
  })
}

function print(value: unknown): void {
  process.stdout.write(`${JSON.stringify(value, null, 2)}\n`)
}
