import { coalesce, withDeadline } from '@reference/async'
import { redisTlsOptions } from '@reference/config/redis-tls'
import calculateSlot from 'cluster-key-slot'
import { Redis } from 'ioredis'
import { type ClusterView, type Master, parseNodes } from './cluster-view.ts'
import { type ConnectionOptions, listenToSocketErrors } from './connection.ts'
import { nodeUnavailable } from './errors.ts'
import type { RedisNode } from './node.ts'
import type { RedisCertificates, RedisTarget } from './options.ts'
import type { MakeNode, Topology } from './topology.ts'

const SLOTS = 16_384
const REFRESH_EVERY_MS = 1_000
const VIEW_TIMEOUT_MS = 500

/**
 * Which master of a Cluster owns which slot.
 *
 * ioredis has a Cluster client. This class keeps the map itself, for three things that the client hides: WAIT must follow an
 * invalidation on the same connection, a tracking link belongs to one master, and a reader must never be led by a
 * redirection to a master that it has not begun to track.
 */
export class Cluster {
  readonly topology: Topology
  readonly #seeds: readonly { host: string; port: number }[]
  readonly #login: ConnectionOptions
  readonly #tls: RedisCertificates | undefined
  readonly #makeNode: MakeNode
  readonly #onChange: () => void
  readonly #nodes = new Map<string, RedisNode>()
  #owners: (RedisNode | undefined)[] = []
  #epoch = 0
  #isClosed = false

  constructor(target: RedisTarget & { kind: 'cluster' }, makeNode: MakeNode, onChange: () => void) {
    const { nodes, username, password, tls } = target
    this.#seeds = nodes
    this.#login = { ...(username !== undefined && { username }), ...(password !== undefined && { password }) }
    this.#tls = tls
    this.#makeNode = makeNode
    this.#onChange = onChange
    const refresh = coalesce(() => this.#refresh().catch(() => {}))
    const timer = setInterval(refresh, REFRESH_EVERY_MS)
    this.topology = {
      findOwner: (key) => this.#owners[calculateSlot(key)],
      nodes: () => [...this.#nodes.values()],
      byId: (id) => this.#nodes.get(id),
      cluster: true,
      identity: () => '',
      refresh,
      close: () => {
        this.#isClosed = true
        clearInterval(timer)
        for (const node of this.#nodes.values()) node.close()
      },
    }
    void refresh()
  }

  async #refresh(): Promise<void> {
    const known = [...this.#nodes.values()].map((node) => this.#askFor(node.writer))
    const view = await Promise.any(known).catch(() => this.#askSeeds())
    if (this.#isClosed || view.epoch < this.#epoch) return
    this.#epoch = view.epoch
    this.#adopt(view.masters)
  }

  async #askSeeds(): Promise<ClusterView> {
    return Promise.any(
      this.#seeds.map(async ({ host, port }) => {
        const options = { lazyConnect: true, retryStrategy: null, connectTimeout: VIEW_TIMEOUT_MS }
        const seed = listenToSocketErrors(new Redis({ ...this.#at(host, port), ...options }))
        seed.on('error', () => {})
        try {
          await seed.connect()
          return await this.#askFor(seed)
        } finally {
          seed.disconnect()
        }
      }),
    )
  }

  /** A view older than the known one is refused: a master that was paused still reports itself as a master. */
  async #askFor(redis: Redis): Promise<ClusterView> {
    const ask = () => redis.call('CLUSTER', 'NODES') as Promise<string>
    const text = await withDeadline(ask, { timeoutMs: VIEW_TIMEOUT_MS })
    const view = parseNodes(text, redis.options.host ?? '127.0.0.1')
    if (view.epoch < this.#epoch || view.masters.length === 0) throw nodeUnavailable('cluster')
    return view
  }

  #adopt(masters: readonly Master[]): void {
    const owners: (RedisNode | undefined)[] = new Array(SLOTS)
    const current = new Set<RedisNode>()
    for (const { host, hostname, port, slots, replicas } of masters) {
      const node = this.#nodeAt(host, port, hostname)
      current.add(node)
      node.replicas = replicas
      node.slots = slots
      for (const [from, to] of slots) owners.fill(node, from, to + 1)
    }
    const before = this.#owners
    const isChanged = before.length !== SLOTS || before.some((owner, slot) => owner !== owners[slot])
    this.#owners = owners
    for (const [id, node] of this.#nodes) {
      if (current.has(node)) continue
      this.#nodes.delete(id)
      node.close()
    }
    if (isChanged) this.#onChange()
  }

  /** @param hostname that the node announces (`cluster-announce-hostname`): its certificate is then valid for this name */
  #at(host: string, port: number, hostname = host): ConnectionOptions {
    const tls = this.#tls && { tls: redisTlsOptions(this.#tls, hostname) }
    return { ...this.#login, ...tls, host, port }
  }

  #nodeAt(host: string, port: number, hostname: string | undefined): RedisNode {
    const id = `${host}:${port}`
    const known = this.#nodes.get(id)
    if (known !== undefined) return known
    const node = this.#makeNode(id, this.#at(host, port, hostname), true)
    this.#nodes.set(id, node)
    return node
  }
}
