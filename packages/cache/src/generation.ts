import { hash, randomBytes } from 'node:crypto'
import { performance } from 'node:perf_hooks'
import { GENERATION_LENGTH } from './envelope.ts'
import type { Tier2 } from './tier2.ts'
import type { Topology } from './topology.ts'
import { fixedProof, type Proof } from './tracking.ts'

interface GenerationOptions {
  /** Where the generation is stored in Redis. */
  key: string
  tier2: Tier2
  topology: Topology
  /** Identity of the server that is read; '' for one that does not matter. */
  server: () => string
  /** Applies the outbox on every node that can be used. */
  drain: () => Promise<void>
}

interface Known {
  value: string
  server: string
  proof: Proof
  until: number
}

/** An LRU policy of Redis must see that the key is in use. */
const KNOWN_FOR_MS = 5_000
const NO_PROOF = fixedProof(0)

/**
 * A namespace's generation, by which `clear()` makes all of its values worthless at once, wherever they lie. It is random
 * and not counted: when Redis has evicted it, a new one can never equal an old one.
 *
 * Values carry a hash of the stored generation and the identity of the server. A Redis that restarts from
 * an older snapshot, or a replica that is promoted without the last invalidations, has old values whose rows have left the
 * outbox: under its new identity they are worthless for every process, without a message between them.
 */
export class Generation {
  readonly #options: GenerationOptions
  #known: Known | undefined
  #asking: Promise<string | undefined> | undefined
  #changes = 0
  /** Since its owner could not be used, reads went past tier 2: they may have seen writes whose invalidation is still to come. */
  #isDrainOwed = false
  #drains = 0

  constructor(options: GenerationOptions) {
    this.#options = options
  }

  /** Without a request, as long as a change of it would have been announced. */
  known(): string | undefined {
    const known = this.#known
    if (known === undefined || this.#isDrainOwed) return undefined
    const now = performance.now()
    const isCurrent = now <= known.proof.provenUntil && now < known.until && known.server === this.server()
    return isCurrent ? known.value : undefined
  }

  /** Reads it from Redis, or creates it; undefined when its owner cannot be used. Concurrent calls share one answer. */
  ask(): Promise<string | undefined> {
    this.#asking ??= this.#ask().finally(() => {
      this.#asking = undefined
    })
    return this.#asking
  }

  /** Its owner is unavailable, and the outbox will be drained before the namespace is read from tier 2 again. */
  get drainAhead(): boolean {
    return this.#isDrainOwed && this.#drains === 0
  }

  /** Proof that a change of it would have been announced. */
  proof(): Proof {
    return this.#options.topology.findOwner(this.#options.key)?.link ?? NO_PROOF
  }

  /** Of the server that is read: a value from before a change of it must not be judged by a generation from then. */
  server(): string {
    return this.#options.server()
  }

  /**
   * Begins a new generation for every process.
   *
   * @throws when Redis did not accept it
   */
  async renew(): Promise<void> {
    await this.#options.tier2.writeGeneration(this.#options.key, makeGeneration(), false)
  }

  /** It has changed, or a change may have been missed. */
  forget(): void {
    this.#changes++
    this.#known = undefined
    this.#asking = undefined
  }

  async #ask(): Promise<string | undefined> {
    try {
      const value = await this.#fetch()
      if (this.#isDrainOwed) {
        this.#drains++
        await this.#options.drain().finally(() => this.#drains--)
        this.#isDrainOwed = false
      }
      return value
    } catch {
      this.#isDrainOwed = true
      return undefined
    }
  }

  async #fetch(): Promise<string> {
    const { key, tier2 } = this.#options
    const changesBefore = this.#changes
    const proof = this.proof()
    const isTracked = proof.provenUntil > 0
    const stored = await tier2.readGeneration(key)
    const shared =
      stored?.length === GENERATION_LENGTH
        ? stored
        : await tier2.writeGeneration(key, makeGeneration(), stored === null)
    // Not usable with another identity than that of the connection by which it was read.
    const server = this.server()
    const value =
      server === '' ? shared : hash('sha256', shared + server, 'base64url').slice(0, GENERATION_LENGTH)
    if (isTracked && this.#changes === changesBefore)
      this.#known = { value, server, proof, until: performance.now() + KNOWN_FOR_MS }
    return value
  }
}

const makeGeneration = () => randomBytes(6).toString('base64url')
