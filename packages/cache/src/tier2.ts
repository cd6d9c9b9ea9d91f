import { coalesce } from './coalesce.ts'
import { isWrongType, nodeUnavailable, redirectOf } from './errors.ts'
import type { KeySpace } from './keys.ts'
import type { LeaseRedis } from './lease.ts'
import { withLimit } from './limit.ts'
import type { RedisNode } from './node.ts'
import type { Settings } from './options.ts'
import type { Topology } from './topology.ts'
import { traced } from './tracing.ts'

const WAIT_MS = 50

export type Acquired =
  | { kind: 'value'; bytes: Buffer }
  | { kind: 'granted' | 'held'; judgedIsThere: boolean; otherType: boolean }

/** Which keys have been removed where they lie, and for which of them a replica has said so too. */
export type Invalidated = { applied: string[]; acknowledged: string[] }

export type Tier2 = ReturnType<typeof createTier2>

type Tier2Settings = Pick<Settings, 'timeoutMs' | 'autoPipelining' | 'writeProof'>
type Acquire = { key: string; token: string; leaseMs: number; judged: Buffer | undefined; takeOver: boolean }
type Fill = { key: string; token: string; bytes: Buffer; storedMs: number }

/** What the keys are called in the Redis that is connected now. */
export type KeyNames = Pick<KeySpace, 'toRedis' | 'leaseOf'>

/**
 * Values and leases in Redis, on whichever nodes own them. Rejects when the owner cannot be used.
 *
 * @param mayRead whether values may be read and stored at all; invalidations are sent either way
 * @param settings with `autoPipelining` calls of one turn of the event loop go out together: as one command on a single
 * Redis, in one pipeline for each node of a Cluster (by ioredis)
 */
export function createTier2(
  topology: Topology,
  { toRedis, leaseOf }: KeyNames,
  mayRead: () => boolean,
  settings: Tier2Settings,
) {
  const { timeoutMs, autoPipelining: batching, writeProof: guarded } = settings
  const together = batching && !topology.cluster
  const getOne = together ? coalesce(getAll) : getAlone
  const acquireOne = together
    ? coalesce(acquireAll)
    : async (item: Acquire) => (await acquireAll([item]))[0] ?? 0
  const fillOne = together ? coalesce(fillAll) : async (item: Fill) => (await fillAll([item]))[0]

  return traced({ read, acquire, fill, release, store, invalidate, readGeneration, writeGeneration })

  /** One round trip a node. In the order of the keys: the bytes, null for nothing, undefined where it could not be asked. */
  async function read(keys: readonly string[]): Promise<(Buffer | null | undefined)[]> {
    const [only] = keys
    if (keys.length === 1 && only !== undefined) return [await getOne(only).catch(noAnswer)]
    if (topology.cluster) return Promise.all(keys.map((key) => getOne(key).catch(noAnswer)))
    return getAll(keys).catch(() => keys.map(() => undefined))
  }

  async function acquire(item: Acquire): Promise<Acquired> {
    const reply = await acquireOne(item)
    if (typeof reply !== 'number') return { kind: 'value', bytes: reply }
    return {
      kind: reply & 1 ? 'granted' : 'held',
      judgedIsThere: (reply & 2) > 0,
      otherType: (reply & 4) > 0,
    }
  }

  /** False when the token is no longer the current one: the value may be older than a write. */
  async function fill(item: Fill): Promise<boolean> {
    return (await fillOne(item)) === 1
  }

  function getAlone(key: string): Promise<Buffer | null> {
    return onOwner(key, (redis) => redis.getBuffer(toRedis(key)))
  }

  /** All on one node, as the next two. */
  async function getAll(keys: readonly string[]): Promise<(Buffer | null)[]> {
    return onOwner(keys[0] ?? '', (redis) => redis.mgetBuffer(keys.map(toRedis)))
  }

  async function acquireAll(items: readonly Acquire[]): Promise<(Buffer | number)[]> {
    const keys = items.flatMap(({ key }) => [toRedis(key), leaseOf(key)])
    const args = items.flatMap(({ token, leaseMs, judged, takeOver }) => [
      token,
      leaseMs,
      judged ?? '',
      takeOver ? '1' : '0',
    ])
    return onOwner(items[0]?.key ?? '', (redis) => redis.leaseAcquireBuffer(keys.length, ...keys, ...args))
  }

  async function fillAll(items: readonly Fill[]): Promise<number[]> {
    const keys = items.flatMap(({ key }) => [toRedis(key), leaseOf(key)])
    const args = items.flatMap(({ token, bytes, storedMs }) => [token, bytes, storedMs])
    return onOwner(items[0]?.key ?? '', (redis) => redis.leaseFill(keys.length, ...keys, ...args))
  }

  async function release(key: string, token: string): Promise<void> {
    await onOwner(key, (redis) => redis.leaseRelease(1, leaseOf(key), token))
  }

  /** Without a lease; removes the lease of whoever is loading. */
  async function store(key: string, bytes: Buffer, storedMs: number): Promise<void> {
    await onOwner(key, (redis) =>
      Promise.all([redis.del(leaseOf(key)), redis.set(toRedis(key), bytes, 'PX', storedMs)]),
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
      const owner = topology.findOwner(key)
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
      pipeline.del(leaseOf(key))
      if (asking) pipeline.call('ASKING')
      pipeline.set(toRedis(key), '', 'PX', 1)
      if (asking) pipeline.call('ASKING')
      pipeline.del(toRedis(key))
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
    replies.some(([error]) => node.distrustIfRefused(error))
    const perKey = asking ? 6 : 3
    const applied = new Set<string>()
    const asked = new Map<string, string[]>()
    keys.forEach((key, index) => {
      const own = replies.slice(index * perKey, (index + 1) * perKey)
      const lease = own[asking ? 1 : 0]?.[0]
      const announced = own[asking ? 3 : 1]?.[0]
      const value = own[asking ? 5 : 2]?.[0]
      const redirect = redirectOf(value) ?? redirectOf(lease)
      if (redirect?.kind === 'ASK') asked.set(redirect.node, [...(asked.get(redirect.node) ?? []), key])
      // With its memory full, Redis still removes keys, but announces nothing where no value was stored.
      else if (!lease && !value && !(guarded && announced)) applied.add(key)
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
    return onOwner(key, (redis) => redis.get(toRedis(key)))
  }

  /** Sets the generation, or with `ifAbsent` replies the one that somebody else has set first. */
  async function writeGeneration(key: string, generation: string, ifAbsent: boolean): Promise<string> {
    if (ifAbsent)
      return (await onOwner(key, (redis) => redis.set(toRedis(key), generation, 'NX', 'GET'))) ?? generation
    const node = ownerOf(key)
    const waits = node.replicas > 0
    const pipeline = node.writer.pipeline().set(toRedis(key), generation)
    if (waits) pipeline.wait(1, WAIT_MS)
    const replies = await withLimit(pipeline.exec(), timeoutMs + WAIT_MS, () => new Error('time limit'))
    const error = replies === null ? new Error('the pipeline was discarded') : replies[0]?.[0]
    if (error) {
      node.distrustIfRefused(error)
      throw error
    }
    if (waits && !(Number(replies?.at(-1)?.[1]) >= 1)) throw new Error('no replica has acknowledged it')
    return generation
  }

  async function onOwner<T>(key: string, send: (redis: LeaseRedis) => Promise<T>): Promise<T> {
    try {
      return await ownerOf(key).call(send)
    } catch (error) {
      const redirect = redirectOf(error)
      if (redirect === undefined) throw error
      await topology.refresh()
      const owner = ownerOf(key)
      if (redirect.kind === 'MOVED') return await owner.call(send)
      // The slot is being moved: this read loads past tier 2, and may see a write whose invalidation is still to come.
      if (owner.usable) owner.distrust()
      throw error
    }
  }

  function ownerOf(key: string): RedisNode {
    const owner = mayRead() ? topology.findOwner(key) : undefined
    if (owner === undefined) throw nodeUnavailable('cluster')
    return owner
  }
}

/** Another type under one of our keys counts as nothing, as in the answer of MGET; whoever takes the lease removes it. */
const noAnswer = (error: unknown) => (isWrongType(error) ? null : undefined)
