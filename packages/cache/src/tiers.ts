import { performance } from 'node:perf_hooks'
import type { Generation } from './generation.ts'
import type { Read } from './read.ts'
import type { NamespaceStats } from './stats.ts'
import type { Tier1 } from './tier1.ts'
import type { Tier2 } from './tier2.ts'
import type { Topology } from './topology.ts'
import type { Proof } from './tracking.ts'

export interface RedisSide {
  tier2: Tier2
  topology: Topology
  generation: Generation
}

interface TiersOptions {
  tier1: Tier1 | undefined
  /** Undefined: no Redis at all. */
  redis: RedisSide | undefined
  /** The values are kept in tier 2 too. */
  inTier2: boolean
  /** Upper bound of what tier 1 keeps, whatever the TTL. */
  tier1MaxMs: number
  stats: NamespaceStats
}

const UNPROVEN: Proof = { provenUntil: 0 }
const FOREVER: Proof = { provenUntil: Number.POSITIVE_INFINITY }

/** The tiers of one namespace, and the proofs that changes of its keys are announced to this process. */
export class Tiers {
  readonly tier1: Tier1 | undefined
  readonly redis: RedisSide | undefined
  /** Redis, when values of this namespace are kept there. */
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

  /** By the clock of the key's owner. */
  redisNow(key: string): number {
    return this.redis?.topology.findOwner(key)?.now() ?? Number.POSITIVE_INFINITY
  }

  isTracked(key: string): boolean {
    return this.proofOf(key).provenUntil > 0 && this.#namespaceProof().provenUntil > 0
  }

  proofOf(key: string): Proof {
    return this.redis === undefined ? FOREVER : (this.redis.topology.findOwner(key)?.link ?? UNPROVEN)
  }

  /**
   * A value from below always replaces or removes the one in tier 1, so that a version never goes backwards here.
   * A copy: the bytes are a view of everything that the socket has read.
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
