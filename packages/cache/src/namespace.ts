import type { Codec } from './codec.ts'
import { json } from './codec.ts'
import type { Coherence } from './coherence.ts'
import { invalidOption, undelivered } from './errors.ts'
import { type CacheHit, Hit } from './hit.ts'
import { keyWithin } from './keys.ts'
import { type LoadContext, Loader } from './loader.ts'
import type { LocalCopies, LocalNamespace } from './local-copies.ts'
import type { Settings } from './options.ts'
import { Reader } from './reader.ts'
import type { NamespaceStats } from './stats.ts'
import type { Tier1 } from './tier1.ts'
import { type RedisSide, Tiers } from './tiers.ts'
import { UNTRACKED_TTL_MS } from './ttl.ts'

export interface NamespaceOptions<K extends string | number, V> {
  /** Lower-case letters, digits and dashes. Part of every key, as it is. */
  name: string
  /** Raise it when the shape of the values changes: the processes of each release then use keys of their own. */
  version: number
  ttlMs: number
  /** How long after its TTL a value may still be answered while it is refreshed, or while the loader fails. Default 0. */
  graceMs?: number
  /** How long the answer "not found" is kept (the loader returned undefined). Default 0: not at all. */
  negativeTtlMs?: number
  /** Time limit of the loader. Then its signal aborts, and the read fails or answers a value within grace. Default 2000. */
  hardLimitMs?: number
  load: (key: K, context: LoadContext) => Promise<V | undefined> | V | undefined
  /** One call for all keys that `getMany` misses. A key that the map lacks counts as not found. */
  loadMany?: (keys: readonly K[], context: LoadContext) => Promise<ReadonlyMap<K, V>>
  /** Default JSON. */
  encode?: Codec<V>['encode']
  decode?: Codec<V>['decode']
  /** Keep values in this process only; invalidations still reach every process. */
  tier1Only?: boolean
  /**
   * For values that may be as old as their TTL, such as a page that changes with every write. They are kept in this process
   * only, and expire by TTL alone. Tier 1 then needs no proof that invalidations arrive, so it also answers while Redis is
   * unavailable.
   */
  ttlOnly?: boolean
}

export interface Namespace<K extends string | number, V> {
  /** The key as a write inserts it into the outbox, such as `c:user:1:{42}`; in Redis the installation's prefix precedes it. */
  keyOf(id: K): string
  /** A tier-1 hit, without a promise; undefined when the value has to be read with `get`. */
  getSync(id: K): CacheHit<V> | undefined
  /**
   * The encoded value of a tier-1 hit as a latin1 string, for a reply in one write. Undefined when the value is not in tier 1, was
   * not found, or is longer than `maxBytes`; then `getSync` or `get` decides, and only these count.
   */
  getText(id: K, maxBytes?: number): string | undefined
  get(id: K): Promise<CacheHit<V>>
  /** In the order of the ids. One round trip per Redis, one loader call for all missing keys. Rejects if one read fails. */
  getMany(ids: readonly K[]): Promise<CacheHit<V>[]>
  /**
   * Stores a value that did not come from the loader. It is not protected against a concurrent write: after a write use
   * `invalidate`. Where Redis keeps no values (`tier1Only`, or `l2` off), the call removes the value from every process instead:
   * others may hold an older one.
   *
   * @throws AppError CACHE_INVALIDATION_UNDELIVERED when Redis did not accept it
   */
  set(id: K, value: V): Promise<void>
  /**
   * Removes values from Redis and from every process.
   *
   * @throws AppError CACHE_INVALIDATION_UNDELIVERED when it is not certain that they were removed
   */
  invalidate(ids: K | readonly K[]): Promise<void>
  /**
   * Invalidates all values of the namespace, in Redis and in every process.
   *
   * @throws AppError CACHE_INVALIDATION_UNDELIVERED when Redis did not accept it
   */
  clear(): Promise<void>
  stats(): Readonly<NamespaceStats>
}

interface NamespaceContext {
  settings: Settings
  local: LocalCopies
  /** The part of `local` that belongs to this namespace. */
  own: LocalNamespace
  coherence: Coherence
  redis: RedisSide | undefined
  /** Receives the duration of each call of the loader. */
  onLoad: (seconds: number) => void
}

const LEASE_MARGIN_MS = 500
const MAX_HOT_KEYS = 10_000

export class CacheNamespace<K extends string | number, V> implements Namespace<K, V> {
  readonly #name: string
  readonly #keyPrefix: string
  readonly #context: NamespaceContext
  readonly #tier1: Tier1 | undefined
  readonly #stats: NamespaceStats
  readonly #decode: Codec<V>['decode']
  readonly #tiers: Tiers
  readonly #reader: Reader<K, V>
  /** Keys of hits. To build a key, and to hash it as a new string, cost 9 % of the replies a second (50 callers, interleaved). */
  readonly #hotKeys = new Map<K, string>()

  constructor(options: NamespaceOptions<K, V>, context: NamespaceContext) {
    const { name, ttlMs, graceMs = 0, negativeTtlMs = 0, hardLimitMs = 2_000 } = options
    const { load, loadMany, tier1Only = false, ttlOnly = false } = options
    const { settings, local, own, onLoad } = context
    const { encode, decode } = json<V>()
    const codec: Codec<V> = { encode: options.encode ?? encode, decode: options.decode ?? decode }
    this.#name = name
    this.#keyPrefix = own.prefix
    this.#context = context
    this.#tier1 = local.tier1
    this.#stats = own.stats
    this.#decode = codec.decode
    this.#tiers = new Tiers({
      tier1: local.tier1,
      redis: ttlOnly ? undefined : context.redis,
      inTier2: settings.l2Enabled && !ttlOnly && !tier1Only,
      // Without Redis no invalidation from another process arrives. Only `ttlOnly` values may then be as old as their TTL.
      tier1MaxMs: context.redis === undefined && !ttlOnly ? UNTRACKED_TTL_MS : Number.POSITIVE_INFINITY,
      stats: own.stats,
    })
    this.#reader = new Reader<K, V>({
      tiers: this.#tiers,
      leases: settings.safeguards.leases,
      inBatches: settings.autoPipelining,
      joinMs: settings.trackingLeaseMs,
      reads: local.reads,
      stats: own.stats,
      codec,
      loader: new Loader({ name, load, loadMany, limitMs: hardLimitMs, stats: own.stats, onLoad }),
      ttlMs,
      graceMs,
      negativeTtlMs,
      // Longer than the loader may take: no lease is taken from a live holder, and a dead holder costs readers this time.
      leaseMs: hardLimitMs + LEASE_MARGIN_MS,
    })
  }

  keyOf(id: K): string {
    return keyWithin(this.#name, this.#keyPrefix, id)
  }

  getSync(id: K): Hit<V> | undefined {
    return this.#hitTier1(this.keyOf(id))
  }

  getText(id: K, maxBytes = Number.POSITIVE_INFINITY): string | undefined {
    const known = this.#hotKeys.get(id)
    const key = known ?? this.keyOf(id)
    const text = this.#tier1?.getText(key, maxBytes)
    if (text === undefined) return undefined
    this.#stats.hitsL1++
    if (known === undefined) this.#rememberKey(id, key)
    return text
  }

  get(id: K): Promise<Hit<V>> {
    const key = this.keyOf(id)
    const hit = this.#hitTier1(key)
    if (hit !== undefined) return Promise.resolve(hit)
    const woken = this.#tiers.wake([key])
    if (woken !== undefined) return woken.then(() => this.get(id))
    return this.#reader.joinable(key)?.promise ?? (this.#reader.read([{ key, id }])[0] as Promise<Hit<V>>)
  }

  async getMany(ids: readonly K[]): Promise<Hit<V>[]> {
    const keys = ids.map((id) => this.keyOf(id))
    const woken = this.#tiers.wake(keys)
    if (woken !== undefined) await woken
    const missing: { key: string; id: K }[] = []
    const missingIndexes = new Map<string, number>()
    // For each id its hit, the promise of a read in flight, or its index in `missing`. An id that occurs twice is read once.
    const found = ids.map((id, at) => {
      const key = keys[at] as string
      const index = missingIndexes.get(key)
      if (index !== undefined) return index
      const known = this.#hitTier1(key) ?? this.#reader.joinable(key)?.promise
      if (known !== undefined) return known
      missingIndexes.set(key, missing.length)
      return missing.push({ key, id }) - 1
    })
    const reads = missing.length > 0 ? this.#reader.read(missing) : []
    return Promise.all(found.map((hit) => (typeof hit === 'number' ? (reads[hit] as Promise<Hit<V>>) : hit)))
  }

  async set(id: K, value: V): Promise<void> {
    const key = this.keyOf(id)
    if (await this.#reader.store(key, id, value)) return
    if (this.#tiers.shared !== undefined) throw undelivered([key])
    // Tier 1 only, with Redis: other processes may hold an older value, and only an invalidation reaches them.
    await this.invalidate(id)
  }

  async invalidate(ids: K | readonly K[]): Promise<void> {
    const keys = (Array.isArray(ids) ? ids : [ids]).map((id) => this.keyOf(id))
    const delivery = await this.#context.coherence.invalidate(keys)
    if (delivery.undelivered.length > 0) throw undelivered(delivery.undelivered)
  }

  async clear(): Promise<void> {
    const { local, own } = this.#context
    local.forget(own)
    await this.#tiers.redis?.generation.renew().catch((cause: unknown) => {
      throw undelivered([`${this.#keyPrefix}*}`], cause)
    })
    // Again: a read that began meanwhile may have stored a value of the old generation in tier 1.
    local.forget(own)
  }

  stats(): Readonly<NamespaceStats> {
    return { ...this.#stats }
  }

  #rememberKey(id: K, key: string): void {
    if (this.#hotKeys.size === MAX_HOT_KEYS) this.#hotKeys.clear()
    this.#hotKeys.set(id, key)
  }

  #hitTier1(key: string): Hit<V> | undefined {
    const entry = this.#tier1?.get(key, this.#stats)
    if (entry === undefined) return undefined
    this.#stats.hitsL1++
    return new Hit('l1', entry.payload, this.#decode)
  }
}

type Checked = 'name' | 'version' | 'ttlMs' | 'hardLimitMs' | 'graceMs' | 'negativeTtlMs'

/** @throws AppError CACHE_OPTION_INVALID, which names the option */
export function checkNamespace(options: Pick<NamespaceOptions<never, never>, Checked>): void {
  const { name, version, ttlMs, hardLimitMs = 1, graceMs = 0, negativeTtlMs = 0 } = options
  if (!/^[a-z0-9-]{1,64}$/.test(name))
    throw invalidOption(`a namespace's name is a-z, 0-9 and dashes; got "${name}"`)
  if (!Number.isInteger(version))
    throw invalidOption(`version of "${name}" must be a whole number; got ${version}`)
  for (const [option, value] of Object.entries({ ttlMs, hardLimitMs })) {
    if (!(Number.isFinite(value) && value > 0))
      throw invalidOption(`${option} of "${name}" must be positive; got ${value}`)
  }
  for (const [option, value] of Object.entries({ graceMs, negativeTtlMs })) {
    if (!(Number.isFinite(value) && value >= 0))
      throw invalidOption(`${option} of "${name}" must be 0 or more; got ${value}`)
  }
}
