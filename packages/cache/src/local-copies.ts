import { invalidOption } from './errors.ts'
import type { Generation } from './generation.ts'
import { namespaceOf, namespacePrefix } from './keys.ts'
import { ReadsInFlight } from './read.ts'
import { emptyStats, type NamespaceStats } from './stats.ts'
import { createTier1, type Tier1 } from './tier1.ts'

interface LocalOptions {
  l1Enabled: boolean
  maxEntries: number
  maxBytes: number
}

export interface LocalNamespace {
  readonly prefix: string
  readonly stats: NamespaceStats
  readonly generation: Generation | undefined
}

/** A registered cache finds its values again when its last process restarts within this time. */
const MIN_REGISTRATION_MS = 3_600_000

/** What this process holds of the cached data: tier 1, the reads in flight, and the generations that it knows. */
export class LocalCopies {
  readonly tier1: Tier1 | undefined
  readonly reads = new ReadsInFlight()
  readonly #byName = new Map<string, LocalNamespace>()
  readonly #byGenerationKey = new Map<string, LocalNamespace>()
  #longestMs = 0

  constructor(options: LocalOptions) {
    this.tier1 = options.l1Enabled ? createTier1(options) : undefined
  }

  /**
   * @param storedMs how long a value may live in Redis
   * @throws AppError CACHE_OPTION_INVALID when the name is in use
   */
  add(
    namespace: { name: string; version: number },
    storedMs: number,
    createGeneration: (key: string) => Generation | undefined,
  ): LocalNamespace {
    const { name } = namespace
    if (this.#byName.has(name)) throw invalidOption(`the namespace "${name}" exists already`)
    const generationKey = `${namespacePrefix(namespace)}generation`
    const own: LocalNamespace = {
      prefix: `${namespacePrefix(namespace)}{`,
      stats: emptyStats(),
      generation: createGeneration(generationKey),
    }
    this.#longestMs = Math.max(this.#longestMs, storedMs)
    this.#byName.set(name, own)
    this.#byGenerationKey.set(generationKey, own)
    return own
  }

  /** How long the cache stays registered: twice the longest life of a value in Redis. Half of it is for reading, see admission.ts. */
  get registrationMs(): number {
    return Math.max(MIN_REGISTRATION_MS, 2 * this.#longestMs)
  }

  get stats(): [name: string, stats: NamespaceStats][] {
    return [...this.#byName].map(([name, { stats }]) => [name, stats])
  }

  /** A write of this process has changed the keys. */
  countInvalidations(keys: readonly string[]): void {
    for (const key of keys) {
      const own = this.#byName.get(namespaceOf(key))
      if (own !== undefined) own.stats.invalidations++
    }
  }

  /** The key was changed, by this process or another one. A generation's key stands for its whole namespace. */
  invalidate(key: string): void {
    this.tier1?.delete(key)
    this.reads.invalidate(key)
    const namespace = this.#byGenerationKey.get(key)
    if (namespace !== undefined) this.forget(namespace)
  }

  forget({ prefix, generation }: LocalNamespace): void {
    generation?.forget()
    this.tier1?.deleteAll(prefix)
    this.reads.markUnproven(prefix)
  }

  /** All keys have changed, or invalidations may have been missed. */
  forgetAll(): void {
    this.tier1?.clear()
    this.reads.markUnproven()
    for (const { generation } of this.#byName.values()) generation?.forget()
  }
}
