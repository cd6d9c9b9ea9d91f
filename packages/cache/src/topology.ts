import calculateSlot from 'cluster-key-slot'
import { Redis } from 'ioredis'
import type { ConnectionOptions } from './connection.ts'
import { invalidOption, nodeUnavailable } from './errors.ts'
import { withLimit } from './limit.ts'
import type { RedisNode } from './node.ts'
import type { RedisTarget } from './options.ts'

/** Which Redis owns which key. */
export type Topology = {
  /** The owner of a key's slot; throws while no owner is known. */
  ownerOf(key: string): RedisNode
  nodes(): RedisNode[]
  byId(id: string): RedisNode | undefined
  readonly cluster: boolean
  /** Asks the cluster anew; concurrent calls share one answer. */
  refresh(): Promise<void>
  close(): void
}

type MakeNode = (id: string, options: ConnectionOptions, cluster: boolean) => RedisNode

const REFRESH_EVERY_MS = 1_000
const VIEW_LIMIT_MS = 500

export function createTopology(target: RedisTarget, makeNode: MakeNode, onChange: () => void): Topology {
  return target.kind === 'single' ? singleNode(target.url, makeNode) : clusterOf(target, makeNode, onChange)
}

function singleNode(url: string, makeNode: MakeNode): Topology {
  const node = makeNode(new URL(url).host, parseUrl(url), false)
  return {
    ownerOf: () => node,
    nodes: () => [node],
    byId: () => node,
    cluster: false,
    refresh: async () => {},
    close: () => node.close(),
  }
}

/**
 * ioredis has a Cluster client. This one keeps the map itself, for three things that that one hides: WAIT must follow an
 * invalidation on the same connection, a tracking link belongs to one master, and a reader must never be led by a
 * redirection to a master that it has not begun to track.
 */
function clusterOf(
  target: RedisTarget & { kind: 'cluster' },
  makeNode: MakeNode,
  onChange: () => void,
): Topology {
  const login: ConnectionOptions = {
    ...(target.username === undefined ? {} : { username: target.username }),
    ...(target.password === undefined ? {} : { password: target.password }),
  }
  const nodes = new Map<string, RedisNode>()
  let owners: (RedisNode | undefined)[] = []
  let epoch = 0
  let refreshing: Promise<void> | undefined
  let closed = false
  void refresh()
  const timer = setInterval(refresh, REFRESH_EVERY_MS)

  return {
    ownerOf(key) {
      const owner = owners[calculateSlot(key)]
      if (owner === undefined) throw nodeUnavailable('cluster')
      return owner
    },
    nodes: () => [...nodes.values()],
    byId: (id) => nodes.get(id),
    cluster: true,
    refresh,
    close() {
      closed = true
      clearInterval(timer)
      for (const node of nodes.values()) node.close()
    },
  }

  function refresh(): Promise<void> {
    refreshing ??= ask()
      .catch(() => {})
      .finally(() => {
        refreshing = undefined
      })
    return refreshing
  }

  async function ask() {
    const view = await Promise.any([...nodes.values()].map((node) => viewFrom(node.writer, epoch))).catch(
      askSeeds,
    )
    if (closed || view.epoch < epoch) return
    epoch = view.epoch
    adopt(view.rows)
  }

  async function askSeeds(): Promise<View> {
    return Promise.any(
      target.nodes.map(async ({ host, port }) => {
        const seed = new Redis({
          ...login,
          host,
          port,
          lazyConnect: true,
          retryStrategy: null,
          connectTimeout: 500,
        })
        seed.on('error', () => {})
        try {
          await seed.connect()
          return await viewFrom(seed, epoch)
        } finally {
          seed.disconnect()
        }
      }),
    )
  }

  function adopt(rows: SlotRow[]) {
    const next: (RedisNode | undefined)[] = new Array(16_384)
    const masters = new Set<string>()
    for (const row of rows) {
      const id = `${row.host}:${row.port}`
      let node = nodes.get(id)
      if (node === undefined) {
        node = makeNode(id, { ...login, host: row.host, port: row.port }, true)
        nodes.set(id, node)
      }
      masters.add(id)
      node.replicas = row.replicas
      next.fill(node, row.from, row.to + 1)
    }
    const changed = owners.length !== next.length || owners.some((owner, slot) => owner !== next[slot])
    owners = next
    for (const [id, node] of nodes) {
      if (masters.has(id)) continue
      nodes.delete(id)
      node.close()
    }
    if (changed) onChange()
  }
}

type SlotRow = { from: number; to: number; host: string; port: number; replicas: number }
type View = { epoch: number; rows: SlotRow[] }

/** How one node sees the cluster. A view older than the known one is refused: a master that was paused still thinks it is one. */
async function viewFrom(redis: Redis, knownEpoch: number): Promise<View> {
  const asked = Promise.all([redis.call('CLUSTER', 'INFO'), redis.call('CLUSTER', 'SLOTS')])
  const [info, slots] = await withLimit(asked, VIEW_LIMIT_MS, () => nodeUnavailable('cluster'))
  const epoch = Number(/cluster_current_epoch:(\d+)/.exec(String(info))?.[1])
  if (!(epoch >= knownEpoch) || !Array.isArray(slots) || slots.length === 0) throw nodeUnavailable('cluster')
  return { epoch, rows: slots.map((row: RawRow) => slotRow(row, redis.options.host ?? '127.0.0.1')) }
}

/** First and last slot, then the master, then the replicas that are alive. */
type RawRow = [from: number, to: number, master: [string | null, number], ...replicas: unknown[]]

function slotRow([from, to, [host, port], ...replicas]: RawRow, askedHost: string): SlotRow {
  const known = host !== null && host !== '' && host !== '?'
  return { from, to, host: known ? host : askedHost, port, replicas: replicas.length }
}

function parseUrl(url: string): ConnectionOptions {
  const { protocol, hostname, port, username, password, pathname } = new URL(url)
  if (protocol !== 'redis:' && protocol !== 'rediss:')
    throw invalidOption('redis.url must begin with redis:// or rediss://')
  return {
    host: hostname.replace(/^\[|\]$/g, ''),
    port: port === '' ? 6379 : Number(port),
    db: pathname.length > 1 ? Number(pathname.slice(1)) : 0,
    ...(username === '' ? {} : { username: decodeURIComponent(username) }),
    ...(password === '' ? {} : { password: decodeURIComponent(password) }),
    ...(protocol === 'rediss:' ? { tls: {} } : {}),
  }
}
