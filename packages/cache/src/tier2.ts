import { MAX_ITEMS } from './batch.ts'
import { isWrongType, nodeUnavailable, redirectOf } from './errors.ts'
import type { LeaseRedis } from './lease.ts'
import type { RedisNode } from './node.ts'
import type { Settings } from './options.ts'
import { type KeyNames, Removal, type Removed } from './removal.ts'
import type { Topology } from './topology.ts'
import { type Traceable, traced } from './tracing.ts'

interface LeaseReply {
  kind: 'granted' | 'held'
  /** The bytes that the reader has judged are still stored. */
  judgedIsThere: boolean
}

export type Acquired = LeaseReply | { kind: 'value'; bytes: Buffer }

/** One key of a batch. Its `context` is that of its own reader, for tracing. */
interface ReadRequest extends Traceable {
  readonly key: string
}

interface AcquireRequest extends ReadRequest {
  /** Header of the stored bytes that the reader has judged expired or damaged. */
  readonly judged: Buffer | undefined
}

interface Lease {
  token: string
  leaseMs: number
  /** Take the lease even from a holder whose lease has not expired. */
  takeOver: boolean
}

interface FillRequest extends ReadRequest {
  readonly token: string
  readonly bytes: Buffer
  readonly storedMs: number
}

interface Tier2Options {
  topology: Topology
  names: KeyNames
  /** Whether values may be read and stored at all. Invalidations are sent in either case. */
  mayRead: () => boolean
  settings: Settings
}

const OPERATIONS = ['release', 'store', 'invalidate', 'readGeneration', 'writeGeneration'] as const
const BATCH_OPERATIONS = ['read', 'acquire', 'fill'] as const

export type Tier2 = Pick<RedisTier, (typeof OPERATIONS)[number] | (typeof BATCH_OPERATIONS)[number]>

/** Tier 2 in Redis. Its operations are traced if a tracer has subscribed. */
export const createTier2 = (options: Tier2Options): Tier2 =>
  traced(new RedisTier(options), OPERATIONS, BATCH_OPERATIONS)

/**
 * Values and leases in Redis, on the nodes that own them. When the owner of a key cannot be used, `read`, `acquire`, `fill` and
 * `invalidate` report it for that key, and the other operations reject.
 *
 * On a single Redis each operation of a batch is one command, for up to `MAX_ITEMS` keys. On a Cluster it is one command
 * a key, because keys have different owners; ioredis sends those of one turn of the event loop as one pipeline per node.
 */
class RedisTier {
  readonly #topology: Topology
  readonly #names: KeyNames
  readonly #mayRead: () => boolean
  readonly #removal: Removal

  constructor({ topology, names, mayRead, settings }: Tier2Options) {
    this.#topology = topology
    this.#names = names
    this.#mayRead = mayRead
    this.#removal = new Removal(topology, names, settings)
  }

  /** @returns in the order of the keys: the bytes, null when nothing is stored, undefined when the owner gave no answer */
  read(requests: readonly ReadRequest[]): Promise<(Buffer | null | undefined)[]> {
    const { toRedis } = this.#names
    return this.#inBatches(requests, async (batch) => {
      const [{ key } = { key: '' }] = batch
      try {
        const replies = await this.#onOwner<readonly unknown[]>(key, async (redis) =>
          batch.length === 1
            ? [await redis.getBuffer(toRedis(key))]
            : listOf(await redis.mgetBuffer(batch.map((request) => toRedis(request.key)))),
        )
        return batch.map((_, index) => storedBytes(replies[index]))
      } catch (error) {
        // A value of another Redis type counts as nothing stored, as in the reply of MGET.
        return batch.map(() => (isWrongType(error) ? null : undefined))
      }
    })
  }

  /** @returns in the order of the keys; undefined when the owner gave no answer */
  acquire(requests: readonly AcquireRequest[], lease: Lease): Promise<(Acquired | undefined)[]> {
    const { token, leaseMs, takeOver } = lease
    return this.#inBatches(requests, async (batch) => {
      const args = [token, leaseMs, takeOver ? '1' : '0']
      const judged = batch.some((request) => request.judged !== undefined)
        ? batch.map((request) => request.judged ?? '')
        : []
      try {
        const replies = await this.#runScript(batch, (redis, keys) =>
          redis.leaseAcquireBuffer(keys.length, ...keys, ...args, ...judged),
        )
        return batch.map((_, index) => toAcquired(listOf(replies)[index]))
      } catch {
        return batch.map(() => undefined)
      }
    })
  }

  /**
   * @returns in the order of the keys: false when the token is no longer current, so that the value may be older than a
   *   write; true when it is stored, and when the owner gave no answer, which makes no loaded value old
   */
  fill(requests: readonly FillRequest[]): Promise<boolean[]> {
    return this.#inBatches(requests, async (batch) => {
      const args: (string | number | Buffer)[] = []
      for (const { token } of batch) args.push(token)
      for (const { bytes } of batch) args.push(bytes)
      for (const { storedMs } of batch) args.push(storedMs)
      try {
        const replies = await this.#runScript(batch, (redis, keys) =>
          redis.leaseFill(keys.length, ...keys, ...args),
        )
        return listOf(replies).map((reply) => reply === 1)
      } catch {
        return batch.map(() => true)
      }
    })
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

  /** Splits a batch into commands. The keys of a command have one owner. */
  async #inBatches<Item, Outcome>(
    items: readonly Item[],
    send: (batch: readonly Item[]) => Promise<Outcome[]>,
  ): Promise<Outcome[]> {
    const size = this.#topology.cluster ? 1 : MAX_ITEMS
    if (items.length <= size) return send(items)
    const batches: Promise<Outcome[]>[] = []
    for (let from = 0; from < items.length; from += size) batches.push(send(items.slice(from, from + size)))
    return (await Promise.all(batches)).flat()
  }

  /** Runs a script of lease.ts for keys of one owner. */
  #runScript<T>(
    batch: readonly ReadRequest[],
    run: (redis: LeaseRedis, keys: readonly string[]) => Promise<T>,
  ): Promise<T> {
    const { toRedis, leaseOf } = this.#names
    const [{ key } = { key: '' }] = batch
    return this.#onOwner(key, (redis) => {
      const keys: string[] = []
      for (const request of batch) keys.push(toRedis(request.key))
      for (const request of batch) keys.push(leaseOf(request.key))
      return run(redis, keys)
    })
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

/**
 * The reply to a command for several keys. A server that answers with anything else is none.
 *
 * @throws TypeError
 */
function listOf<T>(replies: readonly T[]): readonly T[] {
  if (!Array.isArray(replies)) throw new TypeError('a list was expected from Redis')
  return replies
}

/** Undefined for a reply that is neither bytes nor nothing. */
function storedBytes(reply: unknown): Buffer | null | undefined {
  return Buffer.isBuffer(reply) || reply === null ? reply : undefined
}

/** The bits are those of the script `leaseAcquire`. Undefined for a reply that is none of its own. */
function toAcquired(reply: unknown): Acquired | undefined {
  if (Buffer.isBuffer(reply)) return { kind: 'value', bytes: reply }
  if (typeof reply !== 'number') return undefined
  return { kind: reply & 1 ? 'granted' : 'held', judgedIsThere: (reply & 2) > 0 }
}
