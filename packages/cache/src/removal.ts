import { withDeadline } from '@reference/async'
import type { ChainableCommander } from 'ioredis'
import { redirectOf } from './errors.ts'
import type { KeySpace } from './keys.ts'
import type { RedisNode } from './node.ts'
import type { Settings } from './options.ts'
import type { Topology } from './topology.ts'

/** The names of keys in the Redis that is connected now. */
export type KeyNames = Pick<KeySpace, 'toRedis' | 'leaseOf'>

/** `applied`: removed on their owner. `acknowledged`: and on one of its replicas, where it has any. */
export interface Removed {
  applied: string[]
  acknowledged: string[]
}

type Reply = [error: Error | null, result: unknown]

const WAIT_MS = 50

/** Makes values in Redis worthless, on whichever nodes own them. */
export class Removal {
  readonly #topology: Topology
  readonly #names: KeyNames
  readonly #timeoutMs: number
  readonly #writeProof: boolean

  constructor(topology: Topology, names: KeyNames, { timeoutMs, safeguards }: Settings) {
    this.#topology = topology
    this.#names = names
    this.#timeoutMs = timeoutMs
    this.#writeProof = safeguards.writeProof
  }

  /** One attempt for all keys, node by node in parallel. A node that does not answer has removed nothing. */
  async remove(keys: readonly string[], limitMs: number): Promise<Removed> {
    const byNode = new Map<RedisNode, string[]>()
    for (const key of keys) {
      const owner = this.#topology.findOwner(key)
      if (owner !== undefined) byNode.set(owner, [...(byNode.get(owner) ?? []), key])
    }
    const parts = await Promise.all(
      [...byNode].map(([node, own]) =>
        this.#removeOn(node, own, limitMs).catch((): Removed => ({ applied: [], acknowledged: [] })),
      ),
    )
    const removed = joined(parts)
    // The owner may have changed. The next attempt must find the new one as soon as any reader could.
    if (removed.applied.length < keys.length) void this.#topology.refresh()
    return removed
  }

  /** @throws what the node replies; when no replica has acknowledged it */
  async replaceGeneration(node: RedisNode, key: string, generation: string): Promise<string> {
    const pipeline = node.writer.pipeline().set(this.#names.toRedis(key), generation)
    const { replies, isAcknowledged } = await this.#send(node, pipeline, this.#timeoutMs)
    const error = replies[0]?.[0]
    if (error) throw error
    if (!isAcknowledged) throw new Error('no replica has acknowledged it')
    return generation
  }

  /**
   * Per key: the lease first, so that no reader fills with what it read before; then an empty value in place of the old one
   * and its removal at once, which announces the key even where nothing was stored (tier-1-only namespaces, and readers
   * that are loading). Three commands of one key each instead of a script: these work while a slot is being moved.
   */
  async #removeOn(node: RedisNode, keys: readonly string[], limitMs: number): Promise<Removed> {
    const pipeline = node.writer.pipeline()
    for (const key of keys) {
      pipeline.del(this.#names.leaseOf(key))
      pipeline.set(this.#names.toRedis(key), '', 'PX', 1)
      pipeline.del(this.#names.toRedis(key))
    }
    const { replies, isAcknowledged } = await this.#send(node, pipeline, limitMs)
    const applied: string[] = []
    const importing = new Map<string, string[]>()
    for (const [index, key] of keys.entries()) {
      const own = replies.slice(index * 3, index * 3 + 3)
      const redirect = redirectOf(own[2]?.[0]) ?? redirectOf(own[0]?.[0])
      if (redirect?.kind === 'ASK') {
        importing.set(redirect.node, [...(importing.get(redirect.node) ?? []), key])
      } else if (this.#isRemoved(own)) applied.push(key)
    }
    const there = await this.#removeOnImporting(importing, limitMs)
    return joined([{ applied, acknowledged: isAcknowledged ? applied : [] }, ...there])
  }

  /** The slot is being moved. A lease may lie at either end: a key counts when both its parts were removed at the new one. */
  async #removeOnImporting(
    byNode: ReadonlyMap<string, readonly string[]>,
    limitMs: number,
  ): Promise<Removed[]> {
    const parts: Removed[] = []
    for (const [id, keys] of byNode) {
      const node = this.#topology.byId(id)
      if (node === undefined) continue
      const pipeline = node.writer.pipeline()
      for (const key of keys) {
        pipeline.call('ASKING').del(this.#names.leaseOf(key))
        pipeline.call('ASKING').set(this.#names.toRedis(key), '', 'PX', 1)
        pipeline.call('ASKING').del(this.#names.toRedis(key))
      }
      const { replies, isAcknowledged } = await this.#send(node, pipeline, limitMs)
      const commands = replies.filter((_, index) => index % 2 === 1)
      const applied = keys.filter((_, index) => this.#isRemoved(commands.slice(index * 3, index * 3 + 3)))
      parts.push({ applied, acknowledged: isAcknowledged ? applied : [] })
    }
    return parts
  }

  /** With its memory full, Redis still removes keys, but announces nothing where no value was stored. */
  #isRemoved([lease, announced, value]: readonly Reply[]): boolean {
    return !lease?.[0] && !value?.[0] && !(this.#writeProof && announced?.[0])
  }

  /** A change that no replica has can be undone by a failover. Without a replica, no other server can be promoted. */
  async #send(
    node: RedisNode,
    pipeline: ChainableCommander,
    limitMs: number,
  ): Promise<{ replies: Reply[]; isAcknowledged: boolean }> {
    const waits = node.replicas > 0
    if (waits) pipeline.wait(1, WAIT_MS)
    const timeoutMs = limitMs + (waits ? WAIT_MS : 0)
    const replies = await withDeadline(() => pipeline.exec(), { timeoutMs })
    if (replies === null) throw new Error('the pipeline was discarded')
    replies.some(([error]) => node.distrustIfRefused(error))
    return { replies, isAcknowledged: !waits || Number(replies.at(-1)?.[1]) >= 1 }
  }
}

const joined = (parts: readonly Removed[]): Removed => ({
  applied: parts.flatMap(({ applied }) => applied),
  acknowledged: parts.flatMap(({ acknowledged }) => acknowledged),
})
