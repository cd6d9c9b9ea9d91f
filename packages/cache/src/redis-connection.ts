import { performance } from 'node:perf_hooks'
import { Admission } from './admission.ts'
import { nodeUnavailable } from './errors.ts'
import type { KeySpace } from './keys.ts'
import { createKeySpace } from './keys.ts'
import { withLimit } from './limit.ts'
import type { RedisNode } from './node.ts'
import { createNode } from './node.ts'
import type { RedisTarget, Settings } from './options.ts'
import type { OutboxStore } from './outbox.ts'
import type { Invalidated, Tier2 } from './tier2.ts'
import { createTier2 } from './tier2.ts'
import type { Topology } from './topology.ts'
import { createTopology } from './topology.ts'

type RedisConnectionOptions = {
  target: RedisTarget
  settings: Settings
  store: OutboxStore | undefined
  /** For how long this cache stays registered while its processes do not reach the database. */
  keepMs: () => number
  /** Applies what the outbox holds for the keys that `owned` accepts. */
  drain: (owned: (key: string) => boolean) => Promise<void>
  /** Keys that were changed, removed, expired or evicted; null: all of them. */
  onInvalidate: (keys: readonly string[] | null) => void
  onTrackingLost: () => void
  /** Changes may have been missed: tier 1 and what is known about Redis is to be forgotten. */
  flush: () => void
}

/**
 * What is open to the Redis of this process, for the installation whose rows it holds. Keys go in and come out without the
 * installation's prefix. Nothing is connected before {@link use} has named the prefix, and everything is connected anew when
 * the prefix, or the Redis behind its name, turns out to be another one.
 */
export class RedisConnection {
  readonly admission: Admission
  /** For readers: while the cache is not admitted nothing has an owner, so that neither tier is used. */
  readonly topology: Topology
  readonly tier2: Tier2
  readonly #options: RedisConnectionOptions
  readonly #all: Topology
  #space: KeySpace | undefined
  #connected: Topology | undefined
  /** What the only Redis last said of its id, and by which connection. */
  #seen: { id: string | null; connection: number } | undefined
  #connection = 0
  #closed = false

  constructor(options: RedisConnectionOptions) {
    this.#options = options
    const { target, settings, store, keepMs } = options
    this.admission = new Admission({
      store,
      keepMs,
      ids: {
        read: () => this.#askForId((redis, key) => redis.get(key)),
        write: (id, ifAbsent) => this.#writeId(id, ifAbsent),
      },
      onAnotherCache: () => this.#connect(),
      logger: settings.logger,
    })
    this.#all = {
      findOwner: (key) => this.#space && this.#connected?.findOwner(this.#space.toRedis(key)),
      nodes: () => this.#connected?.nodes() ?? [],
      byId: (id) => this.#connected?.byId(id),
      cluster: target.kind === 'cluster',
      identity: () => this.#connected?.identity() ?? '',
      refresh: async () => this.#connected?.refresh(),
      close: () => this.#connected?.close(),
    }
    this.topology = {
      ...this.#all,
      findOwner: (key) => (this.admission.open ? this.#all.findOwner(key) : undefined),
    }
    const names = {
      toRedis: (key: string) => this.#known().toRedis(key),
      leaseOf: (key: string) => this.#known().leaseOf(key),
    }
    const mayRead = () => this.admission.open
    this.tier2 = createTier2(this.#all, names, mayRead, settings)
  }

  /** Connects for the installation with this prefix. Nothing happens when that is the present one. */
  use(prefix: string): void {
    if (this.#closed || this.#space?.prefix === prefix) return
    const { logger } = this.#options.settings
    if (this.#space !== undefined) {
      logger?.warn(
        { before: this.#space.prefix, now: prefix },
        'cache: the database is another one; its cache begins empty',
      )
    }
    this.#space = createKeySpace(prefix, () => this.admission.id)
    this.admission.reset()
    this.#connect()
  }

  /** Why the cache is not in use as a whole, for people; undefined when it is, or when its nodes say it. */
  get reason(): string | undefined {
    if (this.#space === undefined) return 'the database has not said yet which installation this is'
    if (this.nodes().length === 0) return 'no node of the Cluster could be reached'
    return this.admission.reason
  }

  nodes(): RedisNode[] {
    return this.#all.nodes()
  }

  get usable(): boolean {
    const nodes = this.nodes()
    const isProven = ({ usable, link }: RedisNode) => usable && link.provenUntil > performance.now()
    return this.admission.open && nodes.length > 0 && nodes.every(isProven)
  }

  /** For a namespace whose generation was away: drains all that can be used. */
  drainUsable(): Promise<void> {
    return this.#options.drain((key) => this.#all.findOwner(key)?.usable === true)
  }

  /**
   * One attempt for all keys. It counts only for the cache that is known: a new connection may lead to another Redis, which
   * would take the invalidation in the place of the one that the outbox row names.
   */
  async invalidate(keys: readonly string[], limitMs: number): Promise<Invalidated> {
    const { id } = this.admission
    const isSeen = this.#hasSeen(id)
    const done = await this.tier2.invalidate(keys, limitMs)
    const isSame = id === this.admission.id && isSeen && this.#hasSeen(id)
    return isSame || id === undefined ? done : { applied: [], acknowledged: [] }
  }

  close(): void {
    this.#closed = true
    this.admission.reset()
    this.#connected?.close()
  }

  #connect(): void {
    const { target, settings, flush, onInvalidate, onTrackingLost } = this.#options
    this.#connected?.close()
    this.#seen = undefined
    flush()
    if (this.#closed) return
    const space = this.#known()
    const topology = createTopology(
      target,
      (id, redisOptions, cluster) => {
        const node = createNode({
          id,
          redisOptions,
          settings: { ...settings, prefix: space.tracked },
          cluster,
          probeOf: space.probeOf,
          drain: (node) => this.#admitAndDrain(node, topology),
          onInvalidate: (keys) => {
            onInvalidate(keys?.filter((key) => key !== space.idKey).map(space.fromRedis) ?? null)
            if (keys === null || keys.includes(space.idKey)) void this.admission.verify()
          },
          onTrackingLost: () => {
            if (!this.nodes().some(({ usable }) => usable)) this.admission.suspend()
            onTrackingLost()
          },
          onRefused: flush,
          onUnusable: () => void topology.refresh(),
        })
        node.writer.on('close', () => {
          this.#connection++
        })
        return node
      },
      flush,
    )
    this.#connected = topology
  }

  async #admitAndDrain(node: RedisNode, topology: Topology): Promise<void> {
    if (topology !== this.#connected) throw nodeUnavailable(node.id)
    await this.admission.admit().catch((error: unknown) => {
      if (!this.#isSameCluster(node)) throw error
    })
    const { drain } = this.#options
    await drain((key) => (this.#all.findOwner(key) ?? node) === node)
  }

  /** The owner of the id is away, but another master was in use all the time: it is the same Cluster. */
  #isSameCluster(node: RedisNode): boolean {
    return this.admission.open && this.nodes().some((other) => other !== node && other.usable)
  }

  async #writeId(id: string, ifAbsent: boolean): Promise<string> {
    const winner = await this.#askForId((redis, key) =>
      ifAbsent ? redis.set(key, id, 'NX', 'GET') : redis.set(key, id).then(() => id),
    )
    if (winner === null && this.#seen !== undefined) this.#seen.id = id
    return winner ?? id
  }

  async #askForId(ask: (redis: RedisNode['writer'], key: string) => Promise<string | null>) {
    const { idKey } = this.#known()
    const owner = this.#connected?.findOwner(idKey)
    if (owner === undefined) throw nodeUnavailable('cluster')
    const connection = this.#connection
    const asked = ask(owner.writer, idKey)
    const id = await withLimit(asked, this.#options.settings.timeoutMs, () => nodeUnavailable(owner.id))
    this.#seen = { id, connection }
    return id
  }

  /** A Cluster is known by its own map. */
  #hasSeen(id: string | undefined): boolean {
    return this.#all.cluster || (this.#seen?.id === id && this.#seen?.connection === this.#connection)
  }

  #known(): KeySpace {
    if (this.#space === undefined) throw nodeUnavailable('unknown')
    return this.#space
  }
}
