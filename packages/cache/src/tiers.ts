import { performance } from 'node:perf_hooks'
import type { Generation } from './generation.ts'
import type { Read } from './read.ts'
import type { NamespaceStats } from './stats.ts'
import type { Tier1 } from './tier1.ts'
import type { Tier2 } from './tier2.ts'
import type { Topology } from './topology.ts'
import { fixedProof, type Proof } from './tracking.ts'

/** The parts of the Redis connection that one namespace uses. */
export interface RedisSide {
  tier2: Tier2
  topology: Topology
  generation: Generation
}

interface TiersOptions {
  tier1: Tier1 | undefined
  /** Undefined without Redis, and for a namespace that expires by TTL alone (`ttlOnly`). */
  redis: RedisSide | undefined
  /** Whether values are kept in tier 2 too. */
  inTier2: boolean
  /** The longest time for which tier 1 keeps a value, whatever its TTL. */
  tier1MaxMs: number
  stats: NamespaceStats
}

const UNPROVEN = fixedProof(0)
const FOREVER = fixedProof(Number.POSITIVE_INFINITY)

/** The tiers of one namespace, and the proofs that changes of its keys are announced to this process. */
export class Tiers {
  readonly tier1: Tier1 | undefined
  /** The Redis that announces changes of the keys; undefined when no announcement is needed. */
  readonly redis: RedisSide | undefined
  /** The same Redis if values of this namespace are kept there too: tier 2, which all processes share. */
  readonly shared: RedisSide | undefined
  readonly #tier1MaxMs: number
  readonly #stats: NamespaceStats

  constructor({ tier1, redis, inTier2, tier1MaxMs, stats }: TiersOptions) {
    this.tier1 = tier1
    this.redis = redis
    this.shared = inTier2 ? redis : undefined
    this.#tier1MaxMs = tier1MaxMs
    this.#stats = stats
  }

  /** The time in milliseconds by the clock of the key's owner. Infinity without an owner, so that no value counts as fresh. */
  redisNow(key: string): number {
    return this.redis?.topology.findOwner(key)?.now() ?? Number.POSITIVE_INFINITY
  }

  /** Whether changes of the key, and of its namespace's generation, are announced to this process. */
  isTracked(key: string): boolean {
    return this.proofOf(key).provenUntil > 0 && this.#namespaceProof().provenUntil > 0
  }

  /**
   * Wakes the links that prove the keys, before these are looked up; undefined while the links are awake.
   *
   * Without it, the first read after a quiet time would find no proof, and go to tier 2 or to the loader.
   */
  wake(keys: readonly string[]): Promise<unknown> | undefined {
    const proof = this.#namespaceProof()
    proof.isRead = true
    let { isAsleep } = proof
    for (const key of keys) {
      const own = this.proofOf(key)
      own.isRead = true
      isAsleep ||= own.isAsleep
    }
    return isAsleep
      ? Promise.all([proof, ...keys.map((key) => this.proofOf(key))].map((each) => each.wake()))
      : undefined
  }

  /** Proof that a change of the key would have been announced. */
  proofOf(key: string): Proof {
    return this.redis === undefined ? FOREVER : (this.redis.topology.findOwner(key)?.link ?? UNPROVEN)
  }

  /**
   * Keeps a value that was read below tier 1, if the read is tracked and current. Otherwise the entry in tier 1 is removed: it
   * may be older than the value that this read answers, and a version must never go backwards in a process.
   *
   * The payload is copied, because it is a view of the whole buffer that the socket has read.
   */
  keepInTier1<K, V>(read: Read<K, V>, payload: Buffer | undefined, ms: number): void {
    if (this.tier1 === undefined) return
    if (!read.tracked || !read.isCurrent) {
      this.tier1.delete(read.key)
      return
    }
    this.tier1.set(read.key, {
      payload: payload && Buffer.from(payload),
      expiresAt: performance.now() + Math.min(ms, this.#tier1MaxMs),
      valueProof: this.proofOf(read.key),
      namespaceProof: this.#namespaceProof(),
      stats: this.#stats,
    })
  }

  #namespaceProof(): Proof {
    return this.redis === undefined ? FOREVER : this.redis.generation.proof()
  }
}
