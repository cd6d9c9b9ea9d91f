import { isWrongType, redirectOf } from './errors.ts'
import type { LeaseRedis } from './lease.ts'
import { withLimit } from './limit.ts'
import type { RedisNode } from './node.ts'
import type { Topology } from './topology.ts'

/** Somebody else's data under one of our keys: judged like any value that does not decode. */
const NOT_OURS = Buffer.from('?')
const WAIT_MS = 50

export type Acquired = { kind: 'value'; bytes: Buffer } | { kind: 'granted' | 'held'; judgedIsThere: boolean }

/** Which keys have been removed where they lie, and for which of them a replica has said so too. */
export type Invalidated = { applied: string[]; acknowledged: string[] }

export type Tier2 = ReturnType<typeof createTier2>

/** Values and leases in Redis, on whichever nodes own them. Rejects when the owner cannot be used. */
export function createTier2(topology: Topology, prefix: string, timeoutMs: number) {
  return { read, acquire, fill, release, store, invalidate, readGeneration, writeGeneration }

  /** One round trip a node. In the order of the keys: the bytes, null for nothing, undefined where it could not be asked. */
  async function read(keys: readonly string[]): Promise<(Buffer | null | undefined)[]> {
    const [only] = keys
    if (keys.length > 1 && !topology.cluster && only !== undefined) {
      return topology
        .ownerOf(only)
        .call((redis) => redis.mgetBuffer(...keys))
        .catch(() => keys.map(() => undefined))
    }
    return Promise.all(keys.map((key) => readOne(key)))
  }

  async function readOne(key: string): Promise<Buffer | null | undefined> {
    try {
      return await onOwner(key, (redis) => redis.getBuffer(key))
    } catch (error) {
      return isWrongType(error) ? NOT_OURS : undefined
    }
  }

  async function acquire(
    key: string,
    token: string,
    leaseMs: number,
    judged: Buffer | undefined,
    takeOver: boolean,
  ): Promise<Acquired> {
    const reply = await onOwner(key, (redis) =>
      redis.leaseAcquireBuffer(key, leaseKey(key), token, leaseMs, judged ?? '', takeOver ? '1' : '0'),
    )
    if (typeof reply !== 'number') return { kind: 'value', bytes: reply }
    return { kind: reply % 2 === 1 ? 'granted' : 'held', judgedIsThere: reply >= 2 }
  }

  /** False when the token is no longer the current one: the value may be older than a write. */
  async function fill(key: string, token: string, bytes: Buffer, storedMs: number): Promise<boolean> {
    return (await onOwner(key, (redis) => redis.leaseFill(key, leaseKey(key), token, bytes, storedMs))) === 1
  }

  async function release(key: string, token: string): Promise<void> {
    await onOwner(key, (redis) => redis.leaseRelease(leaseKey(key), token))
  }

  /** Without a lease; removes the lease of whoever is loading. */
  async function store(key: string, bytes: Buffer, storedMs: number): Promise<void> {
    await onOwner(key, (redis) =>
      Promise.all([redis.del(leaseKey(key)), redis.set(key, bytes, 'PX', storedMs)]),
    )
  }

  /**
   * One attempt for all keys, node by node side by side.
   *
   * Per key: the lease first, so that nobody fills with what he read before; then an empty value in place of the old one
   * and its removal at once, which announces the key even where nothing was stored (tier-1-only namespaces, and readers
   * that are loading). Three commands of one key each instead of a script: those work while a slot is being moved.
   */
  async function invalidate(keys: readonly string[], limitMs: number): Promise<Invalidated> {
    const byNode = new Map<RedisNode, string[]>()
    for (const key of keys) {
      const owner = ownerIfKnown(key)
      if (owner !== undefined) byNode.set(owner, [...(byNode.get(owner) ?? []), key])
    }
    const parts = await Promise.all(
      [...byNode].map(([node, own]) =>
        invalidateOn(node, own, limitMs).catch((): Invalidated => ({ applied: [], acknowledged: [] })),
      ),
    )
    const applied = parts.flatMap((part) => part.applied)
    // The owner may have changed. The next attempt must find the new one as soon as any reader could.
    if (applied.length < keys.length) void topology.refresh()
    return { applied, acknowledged: parts.flatMap((part) => part.acknowledged) }
  }

  async function invalidateOn(
    node: RedisNode,
    keys: readonly string[],
    limitMs: number,
    asking = false,
  ): Promise<Invalidated> {
    const pipeline = node.writer.pipeline()
    for (const key of keys) {
      if (asking) pipeline.call('ASKING')
      pipeline.del(leaseKey(key))
      if (asking) pipeline.call('ASKING')
      pipeline.set(key, '', 'PX', 1)
      if (asking) pipeline.call('ASKING')
      pipeline.del(key)
    }
    // A removal that no replica has can be undone by a failover. Without a replica nothing can be promoted.
    const waits = node.replicas > 0
    if (waits) pipeline.wait(1, WAIT_MS)
    const replies = await withLimit(
      pipeline.exec(),
      limitMs + (waits ? WAIT_MS : 0),
      () => new Error('time limit'),
    )
    if (replies === null) throw new Error('the pipeline was discarded')
    const perKey = asking ? 6 : 3
    const applied = new Set<string>()
    const asked = new Map<string, string[]>()
    keys.forEach((key, index) => {
      const own = replies.slice(index * perKey, (index + 1) * perKey)
      const lease = own[asking ? 1 : 0]?.[0]
      const value = own[asking ? 5 : 2]?.[0]
      const redirect = redirectOf(value) ?? redirectOf(lease)
      if (redirect?.kind === 'ASK') asked.set(redirect.node, [...(asked.get(redirect.node) ?? []), key])
      else if (!lease && !value) applied.add(key)
    })
    const acknowledged = !waits || Number(replies.at(-1)?.[1]) >= 1
    const result: Invalidated = { applied: [...applied], acknowledged: acknowledged ? [...applied] : [] }
    for (const [id, there] of asking ? [] : asked) {
      // A lease may lie at either end of the move: a key counts when both its parts were removed at the new one.
      const target = topology.byId(id)
      if (target === undefined) continue
      const part = await invalidateOn(target, there, limitMs, true)
      result.applied.push(...part.applied)
      result.acknowledged.push(...part.acknowledged)
    }
    return result
  }

  async function readGeneration(key: string): Promise<string | null> {
    return onOwner(key, (redis) => redis.get(key))
  }

  /** Sets the generation, or with `ifAbsent` replies the one that somebody else has set first. */
  async function writeGeneration(key: string, generation: string, ifAbsent: boolean): Promise<string> {
    if (ifAbsent)
      return (await onOwner(key, (redis) => redis.set(key, generation, 'NX', 'GET'))) ?? generation
    const node = topology.ownerOf(key)
    const waits = node.replicas > 0
    const pipeline = node.writer.pipeline().set(key, generation)
    if (waits) pipeline.wait(1, WAIT_MS)
    const replies = await withLimit(pipeline.exec(), timeoutMs + WAIT_MS, () => new Error('time limit'))
    const error = replies === null ? new Error('the pipeline was discarded') : replies[0]?.[0]
    if (error) throw error
    if (waits && !(Number(replies?.at(-1)?.[1]) >= 1)) throw new Error('no replica has acknowledged it')
    return generation
  }

  async function onOwner<T>(key: string, send: (redis: LeaseRedis) => Promise<T>): Promise<T> {
    try {
      return await topology.ownerOf(key).call(send)
    } catch (error) {
      const redirect = redirectOf(error)
      if (redirect === undefined) throw error
      await topology.refresh()
      const owner = topology.ownerOf(key)
      if (redirect.kind === 'MOVED') return await owner.call(send)
      // The slot is being moved: this read loads past tier 2, and may see a write whose invalidation is still to come.
      if (owner.usable) owner.distrust()
      throw error
    }
  }

  function ownerIfKnown(key: string): RedisNode | undefined {
    try {
      return topology.ownerOf(key)
    } catch {
      return undefined
    }
  }

  function leaseKey(key: string): string {
    return `l:${key.slice(prefix.length)}`
  }
}
