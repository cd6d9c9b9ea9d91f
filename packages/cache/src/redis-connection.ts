import { performance } from 'node:perf_hooks'
import { withDeadline } from '@reference/async'
import { Admission } from './admission.ts'
import { Cluster } from './cluster.ts'
import { nodeUnavailable } from './errors.ts'
import { Generation } from './generation.ts'
import type { KeySpace } from './keys.ts'
import { createKeySpace, isKey } from './keys.ts'
import type { LocalCopies } from './local-copies.ts'
import type { NodeEvents } from './node.ts'
import { RedisNode } from './node.ts'
import type { RedisTarget, Settings } from './options.ts'
import type { DeliveryTarget, Outbox } from './outbox.ts'
import type { Removed } from './removal.ts'
import { SharedCounts } from './shared-counts.ts'
import { singleRedis } from './single-redis.ts'
import type { Tier2 } from './tier2.ts'
import { createTier2 } from './tier2.ts'
import type { MakeNode, Topology } from './topology.ts'

interface RedisConnectionOptions {
  target: RedisTarget
  settings: Settings
  local: LocalCopies
  outbox: Outbox
}

/**
 * The connections of this process to its Redis, for the installation whose rows it holds. Keys go in and come out without the
 * installation's prefix. Nothing is connected before {@link use} has named the prefix, and everything is connected anew when
 * the prefix, or the Redis behind its name, has changed.
 */
export class RedisConnection implements DeliveryTarget {
  readonly admission: Admission
  /** For readers: while the cache is not admitted no key has an owner, so that neither tier is used. */
  readonly topology: Topology
  readonly tier2: Tier2
  readonly counts: SharedCounts
  /** How often a tracking link was closed. */
  trackingLost = 0
  readonly #options: RedisConnectionOptions
  readonly #all: Topology
  #space: KeySpace | undefined
  #connected: Topology | undefined
  /** The id that the only Redis has last replied, and on which connection. */
  #seen: { id: string | null; connection: number } | undefined
  #connection = 0
  #isClosed = false

  constructor(options: RedisConnectionOptions) {
    this.#options = options
    const { target, settings, local } = options
    this.admission = new Admission({
      store: settings.outbox,
      keepMs: () => local.registrationMs,
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
    this.counts = new SharedCounts((name) => {
      const key = this.#space?.countOf(name)
      const node = key === undefined ? undefined : this.#connected?.findOwner(key)
      return key === undefined || node === undefined ? undefined : { node, key }
    })
    this.tier2 = createTier2({
      topology: this.#all,
      names: {
        toRedis: (key) => this.#known().toRedis(key),
        leaseOf: (key) => this.#known().leaseOf(key),
      },
      mayRead: () => this.admission.open,
      settings,
    })
  }

  /** Connects for the installation with this prefix, unless that is the present one. */
  use(prefix: string): void {
    if (this.#isClosed || this.#space?.prefix === prefix) return
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

  get id(): string | undefined {
    return this.admission.id
  }

  /** Why the cache as a whole is not in use, for people; undefined when it is, or when its nodes have the reason. */
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
    const isProven = ({ usable, link }: RedisNode) =>
      usable && (link.isAsleep || link.provenUntil > performance.now())
    return this.admission.open && nodes.length > 0 && nodes.every(isProven)
  }

  createGeneration(key: string): Generation {
    const { settings, outbox } = this.#options
    const isUsable = (key: string) => this.#all.findOwner(key)?.usable === true
    return new Generation({
      key,
      tier2: this.tier2,
      topology: this.topology,
      server: settings.safeguards.serverIdentity ? this.topology.identity : () => '',
      drain: () => outbox.drain(this, isUsable),
    })
  }

  /**
   * One attempt for all keys. It counts only for the cache whose id is known: a new connection may lead to another Redis, which
   * would take the removal in place of the one that the outbox row names.
   */
  async remove(keys: readonly string[], limitMs: number): Promise<Removed> {
    const { id } = this
    const isSeen = this.#hasSeen(id)
    const removed = await this.tier2.invalidate(keys.filter(isKey), limitMs)
    const isSame = id === this.id && isSeen && this.#hasSeen(id)
    const { applied, acknowledged }: Removed =
      isSame || id === undefined ? removed : { applied: [], acknowledged: [] }
    // The row of a key that is not one of a cache would stay in the outbox forever.
    const foreign = keys.filter((key) => !isKey(key))
    return { applied: [...applied, ...foreign], acknowledged: [...acknowledged, ...foreign] }
  }

  close(): void {
    this.#isClosed = true
    this.admission.reset()
    this.#connected?.close()
  }

  #connect(): void {
    const { target, settings, local } = this.#options
    this.#connected?.close()
    this.#seen = undefined
    local.forgetAll()
    if (this.#isClosed) return
    const space = this.#known()
    const makeNode: MakeNode = (id, redisOptions, cluster) => {
      const events = this.#eventsOf(space, () => topology)
      const node = new RedisNode({ id, redisOptions, settings, space, cluster, events })
      node.writer.on('close', () => {
        this.#connection++
      })
      return node
    }
    const topology: Topology =
      target.kind === 'single'
        ? singleRedis(target, makeNode)
        : new Cluster(target, makeNode, () => local.forgetAll()).topology
    this.#connected = topology
  }

  #eventsOf(space: KeySpace, topology: () => Topology): NodeEvents {
    const { local } = this.#options
    return {
      drain: (node) => this.#admitAndDrain(node, topology()),
      invalidated: (keys) => {
        if (keys === null) local.forgetAll()
        else for (const key of keys) if (key !== space.idKey) local.invalidate(space.fromRedis(key))
        if (keys === null || keys.includes(space.idKey)) void this.admission.verify()
      },
      trackingLost: () => {
        if (!this.nodes().some(({ usable }) => usable)) this.admission.suspend()
        this.trackingLost++
        local.forgetAll()
      },
      refused: () => local.forgetAll(),
      unusable: () => void topology().refresh(),
    }
  }

  async #admitAndDrain(node: RedisNode, topology: Topology): Promise<void> {
    if (topology !== this.#connected) throw nodeUnavailable(node.id)
    await this.admission.admit().catch((error: unknown) => {
      if (!this.#isSameCluster(node)) throw error
    })
    await this.#options.outbox.drain(this, (key) => (this.#all.findOwner(key) ?? node) === node)
  }

  /** The owner of the id is unavailable, but another master was in use all the time: it is the same Cluster. */
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
    const { timeoutMs } = this.#options.settings
    const id = await withDeadline(() => ask(owner.writer, idKey), { timeoutMs })
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
