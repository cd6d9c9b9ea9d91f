import { batched } from './batch.ts'
import { isWrongType, nodeUnavailable, redirectOf } from './errors.ts'
import type { LeaseRedis } from './lease.ts'
import type { RedisNode } from './node.ts'
import type { Settings } from './options.ts'
import { type KeyNames, Removal, type Removed } from './removal.ts'
import type { Topology } from './topology.ts'
import { traced } from './tracing.ts'

export interface LeaseReply {
  kind: 'granted' | 'held'
  /** The bytes that the reader has judged are still stored. */
  judgedIsThere: boolean
  /** A value of another Redis type was stored; it has been removed. */
  otherType: boolean
}

type Acquired = LeaseReply | { kind: 'value'; bytes: Buffer }

interface AcquireRequest {
  key: string
  token: string
  leaseMs: number
  /** Header of the stored bytes that the reader has judged expired or damaged. */
  judged: Buffer | undefined
  /** Take the lease even from a holder whose lease has not expired. */
  takeOver: boolean
}

interface FillRequest {
  key: string
  token: string
  bytes: Buffer
  storedMs: number
}

interface Tier2Options {
  topology: Topology
  names: KeyNames
  /** Whether values may be read and stored at all. Invalidations are sent in either case. */
  mayRead: () => boolean
  settings: Settings
}

const OPERATIONS = [
  'read',
  'acquire',
  'fill',
  'release',
  'store',
  'invalidate',
  'readGeneration',
  'writeGeneration',
] as const

export type Tier2 = Pick<RedisTier, (typeof OPERATIONS)[number]>

/** Tier 2 in Redis. Its operations are traced if a tracer has subscribed. */
export const createTier2 = (options: Tier2Options): Tier2 => traced(new RedisTier(options), OPERATIONS)

/**
 * Values and leases in Redis, on the nodes that own them. When the owner of a key cannot be used, `read` and `invalidate` report
 * it for that key, and the other operations reject.
 *
 * With `autoPipelining`, calls of one turn of the event loop are sent together: as one command on a single Redis, in one
 * pipeline for each node of a Cluster (by ioredis).
 */
class RedisTier {
  readonly #topology: Topology
  readonly #names: KeyNames
  readonly #mayRead: () => boolean
  readonly #removal: Removal
  readonly #get: (key: string) => Promise<Buffer | null>
  readonly #acquire: (request: AcquireRequest) => Promise<Buffer | number>
  readonly #fill: (request: FillRequest) => Promise<number>

  constructor({ topology, names, mayRead, settings }: Tier2Options) {
    this.#topology = topology
    this.#names = names
    this.#mayRead = mayRead
    this.#removal = new Removal(topology, names, settings)
    if (settings.autoPipelining && !topology.cluster) {
      this.#get = batched((keys) => this.#getAll(keys))
      this.#acquire = batched((requests) => this.#acquireAll(requests))
      this.#fill = batched((requests) => this.#fillAll(requests))
    } else {
      this.#get = (key) => this.#onOwner(key, (redis) => redis.getBuffer(names.toRedis(key)))
      this.#acquire = async (request) => (await this.#acquireAll([request]))[0] ?? 0
      this.#fill = async (request) => (await this.#fillAll([request]))[0] ?? 0
    }
  }

  /**
   * One round trip per node.
   *
   * @returns in the order of the keys: the bytes, null when nothing is stored, undefined when the owner gave no answer
   */
  async read(keys: readonly string[]): Promise<(Buffer | null | undefined)[]> {
    const [only] = keys
    // A single key joins the batch of this turn of the event loop. Several keys are a batch already, if they have one owner.
    if (keys.length === 1 && only !== undefined) return [await this.#get(only).catch(nullIfOtherType)]
    if (this.#topology.cluster) return Promise.all(keys.map((key) => this.#get(key).catch(nullIfOtherType)))
    return this.#getAll(keys).catch(() => keys.map(() => undefined))
  }

  async acquire(request: AcquireRequest): Promise<Acquired> {
    const reply = await this.#acquire(request)
    if (typeof reply !== 'number') return { kind: 'value', bytes: reply }
    // The bits are those of the script `leaseAcquire`.
    return {
      kind: reply & 1 ? 'granted' : 'held',
      judgedIsThere: (reply & 2) > 0,
      otherType: (reply & 4) > 0,
    }
  }

  /** @returns false when the token is no longer current: the value may be older than a write */
  async fill(request: FillRequest): Promise<boolean> {
    return (await this.#fill(request)) === 1
  }

  async release(key: string, token: string): Promise<void> {
    await this.#onOwner(key, (redis) => redis.leaseRelease(1, this.#names.leaseOf(key), token))
  }

  /** Stores without a lease. Removes the lease of a reader that is loading, so that its fill cannot replace this value. */
  async store(key: string, bytes: Buffer, storedMs: number): Promise<void> {
    const { toRedis, leaseOf } = this.#names
    await this.#onOwner(key, (redis) =>
      Promise.all([redis.del(leaseOf(key)), redis.set(toRedis(key), bytes, 'PX', storedMs)]),
    )
  }

  /** One attempt for all keys, node by node in parallel. */
  async invalidate(keys: readonly string[], limitMs: number): Promise<Removed> {
    return this.#removal.remove(keys, limitMs)
  }

  async readGeneration(key: string): Promise<string | null> {
    return this.#onOwner(key, (redis) => redis.get(this.#names.toRedis(key)))
  }

  /**
   * @param ifAbsent keep a generation that another process has set first
   * @returns the generation that is stored then
   */
  async writeGeneration(key: string, generation: string, ifAbsent: boolean): Promise<string> {
    if (!ifAbsent) return this.#removal.replaceGeneration(this.#ownerOf(key), key, generation)
    const name = this.#names.toRedis(key)
    return (await this.#onOwner(key, (redis) => redis.set(name, generation, 'NX', 'GET'))) ?? generation
  }

  /** All keys must have one owner, as in the next two methods: keys of a single Redis, or one key of a Cluster. */
  async #getAll(keys: readonly string[]): Promise<(Buffer | null)[]> {
    return this.#onOwner(keys[0] ?? '', (redis) => redis.mgetBuffer(keys.map(this.#names.toRedis)))
  }

  async #acquireAll(requests: readonly AcquireRequest[]): Promise<(Buffer | number)[]> {
    const keys = this.#withLeases(requests)
    const args = requests.flatMap(({ token, leaseMs, judged, takeOver }) => [
      token,
      leaseMs,
      judged ?? '',
      takeOver ? '1' : '0',
    ])
    return this.#onOwner(requests[0]?.key ?? '', (redis) =>
      redis.leaseAcquireBuffer(keys.length, ...keys, ...args),
    )
  }

  async #fillAll(requests: readonly FillRequest[]): Promise<number[]> {
    const keys = this.#withLeases(requests)
    const args = requests.flatMap(({ token, bytes, storedMs }) => [token, bytes, storedMs])
    return this.#onOwner(requests[0]?.key ?? '', (redis) => redis.leaseFill(keys.length, ...keys, ...args))
  }

  #withLeases(requests: readonly { key: string }[]): string[] {
    const { toRedis, leaseOf } = this.#names
    return requests.flatMap(({ key }) => [toRedis(key), leaseOf(key)])
  }

  /** Calls the owner of a key. After MOVED the call is repeated once, on the new owner. */
  async #onOwner<T>(key: string, send: (redis: LeaseRedis) => Promise<T>): Promise<T> {
    try {
      return await this.#ownerOf(key).call(send)
    } catch (error) {
      const redirect = redirectOf(error)
      if (redirect === undefined) throw error
      await this.#topology.refresh()
      const owner = this.#ownerOf(key)
      if (redirect.kind === 'MOVED') return await owner.call(send)
      // ASK: the slot is being moved. The caller loads past tier 2, and may return a write whose invalidation has not arrived.
      // Distrust has the outbox drained before tier 2 is read again.
      if (owner.usable) owner.distrust()
      throw error
    }
  }

  #ownerOf(key: string): RedisNode {
    const owner = this.#mayRead() ? this.#topology.findOwner(key) : undefined
    if (owner === undefined) throw nodeUnavailable('cluster')
    return owner
  }
}

/** A value of another Redis type counts as nothing stored (null), as in the reply of MGET; the next lease removes it. */
const nullIfOtherType = (error: unknown) => (isWrongType(error) ? null : undefined)
