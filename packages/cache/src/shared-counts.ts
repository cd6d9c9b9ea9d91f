import { withDeadline } from '@reference/async'
import { nodeUnavailable } from './errors.ts'
import type { RedisNode } from './node.ts'

/** Longer than a cache read may take, because no request waits for the exchange of counts. */
const LIMIT_MS = 250

/**
 * Counts that all processes of an installation share, such as the requests of a client: in Redis, under the prefix of the
 * installation, outside of the tracked keys. They are lost with Redis, and may be evicted.
 */
export class SharedCounts {
  readonly #findOwner: (name: string) => { node: RedisNode; key: string } | undefined

  /** @param findOwner the node of a count and its key there; undefined while no node is known */
  constructor(findOwner: (name: string) => { node: RedisNode; key: string } | undefined) {
    this.#findOwner = findOwner
  }

  /**
   * Adds to counts, which begin at zero.
   *
   * @param keepMs how long they are kept after the last addition
   * @returns the counts of all processes together, by their names
   * @throws AppError CACHE_NODE_UNAVAILABLE, or the error of Redis; counts may be added then
   */
  async add(counts: ReadonlyMap<string, number>, keepMs: number): Promise<ReadonlyMap<string, number>> {
    const added = [...counts].map(
      async ([name, count]) => [name, await this.#add(name, count, keepMs)] as const,
    )
    return new Map(await withDeadline(() => Promise.all(added), { timeoutMs: LIMIT_MS }))
  }

  async #add(name: string, count: number, keepMs: number): Promise<number> {
    const owner = this.#findOwner(name)
    if (owner === undefined || !owner.node.usable) throw nodeUnavailable(owner?.node.id ?? 'unknown')
    const { node, key } = owner
    const [total] = await Promise.all([node.writer.incrby(key, count), node.writer.pexpire(key, keepMs)])
    return total
  }
}
