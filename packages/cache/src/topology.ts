import calculateSlot from 'cluster-key-slot'
import { Redis } from 'ioredis'
import type { ConnectionOptions } from './connection.ts'
import { invalidOption, nodeUnavailable } from './errors.ts'
import { lookUpIdentity } from './identity.ts'
import { withLimit } from './limit.ts'
import type { RedisNode } from './node.ts'
import type { RedisTarget } from './options.ts'

/** Which Redis owns which key. */
export type Topology = {
  /** The owner of a key's slot; undefined while none is known. */
  findOwner(key: string): RedisNode | undefined
  nodes(): RedisNode[]
  byId(id: string): RedisNode | undefined
  readonly cluster: boolean
  /**
   * Changes when the data may have become older: the only Redis was restarted with what it had saved, or a replica took
   * over that had not received everything. On a Cluster it is '' at all times: there WAIT holds against a failover.
   */
  identity(): string
  /** Asks the cluster anew; concurrent calls share one answer. */
  refresh(): Promise<void>
  close(): void
}

type MakeNode = (id: string, options: ConnectionOptions, cluster: boolean) => RedisNode

const REFRESH_EVERY_MS = 1_000
const VIEW_LIMIT_MS = 500

/** How soon a server that was replaced under its name, and still accepts writes, is left. */
const LOOK_UP_EVERY_MS = 3_000

export function createTopology(target: RedisTarget, makeNode: MakeNode, onChange: () => void): Topology {
  return target.kind === 'single' ? singleNode(target.url, makeNode) : clusterOf(target, makeNode, onChange)
}

/**
 * A Cluster says itself who owns what. The only Redis is found by its name alone: after a failover that moved the name, old
 * connections may stay on a server that still believes to be the master, so the name is looked up now and then.
 */
function singleNode(url: string, makeNode: MakeNode): Topology {
  const options = parseUrl(url)
  const node = makeNode(new URL(url).host, options, false)
  const lookUp = () => void lookUpIdentity(options).then(node.compare, () => {})
  const lookUps = setInterval(lookUp, LOOK_UP_EVERY_MS).unref()
  return {
    findOwner: () => node,
    nodes: () => [node],
    byId: () => node,
    cluster: false,
    identity: () => node.identity,
    refresh: async () => {},
    close() {
      clearInterval(lookUps)
      node.close()
    },
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
    findOwner: (key) => owners[calculateSlot(key)],
    nodes: () => [...nodes.values()],
    byId: (id) => nodes.get(id),
    cluster: true,
    identity: () => '',
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
    adopt(view.masters)
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

  function adopt(masters: Master[]) {
    const next: (RedisNode | undefined)[] = new Array(16_384)
    const ids = new Set<string>()
    for (const { host, port, slots, replicas } of masters) {
      const id = `${host}:${port}`
      let node = nodes.get(id)
      if (node === undefined) {
        node = makeNode(id, { ...login, host, port }, true)
        nodes.set(id, node)
      }
      ids.add(id)
      node.replicas = replicas
      node.slots = slots
      for (const [from, to] of slots) next.fill(node, from, to + 1)
    }
    const changed = owners.length !== next.length || owners.some((owner, slot) => owner !== next[slot])
    owners = next
    for (const [id, node] of nodes) {
      if (ids.has(id)) continue
      nodes.delete(id)
      node.close()
    }
    if (changed) onChange()
  }
}

type Master = { host: string; port: number; slots: [from: number, to: number][]; replicas: number }
type View = { epoch: number; masters: Master[] }

/** How one node sees the cluster. A view older than the known one is refused: a master that was paused still thinks it is one. */
async function viewFrom(redis: Redis, knownEpoch: number): Promise<View> {
  const asked = redis.call('CLUSTER', 'NODES') as Promise<string>
  const text = await withLimit(asked, VIEW_LIMIT_MS, () => nodeUnavailable('cluster'))
  const view = parseNodes(text, redis.options.host ?? '127.0.0.1')
  if (view.epoch < knownEpoch || view.masters.length === 0) throw nodeUnavailable('cluster')
  return view
}

/**
 * CLUSTER NODES, and not CLUSTER SLOTS, which leaves out replicas that have received nothing yet: those could still be
 * promoted. `<id> <ip:port@cport[,hostname]> <flags> <master> <ping> <pong> <config-epoch> <link> <slot or range>…`
 */
export function parseNodes(text: string, askedHost: string): View {
  const lines = text
    .trim()
    .split('\n')
    .map((line) => line.split(' '))
    .map(([id = '', address = '', flags = '', master = '', , , epoch = '0', , ...slots]) => ({
      id,
      host: address.slice(0, address.lastIndexOf(':', address.indexOf('@'))) || askedHost,
      port: Number(/:(\d+)@/.exec(address)?.[1]),
      flags: flags.split(','),
      master,
      epoch: Number(epoch),
      // What stands in brackets is on its way, and still belongs to this node.
      slots: slots.filter((slot) => !slot.startsWith('[')).map((slot) => slot.split('-').map(Number)),
    }))
  const replicasOf = (id: string) =>
    lines.filter((line) => line.master === id && !line.flags.includes('fail')).length
  return {
    epoch: Math.max(0, ...lines.map((line) => line.epoch)),
    masters: lines
      .filter((line) => line.flags.includes('master') && line.slots.length > 0)
      .map(({ id, host, port, slots }) => ({
        host,
        port,
        slots: slots.map(([from = 0, to = from]) => [from, to]),
        replicas: replicasOf(id),
      })),
  }
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
