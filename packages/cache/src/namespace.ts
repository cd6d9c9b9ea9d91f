import type { Codec } from './codec.ts'
import { json } from './codec.ts'
import type { Coherence } from './coherence.ts'
import { invalidOption, undelivered } from './errors.ts'
import { type CacheHit, Hit } from './hit.ts'
import { keyWithin } from './keys.ts'
import { createLoader, type LoadContext } from './loader.ts'
import type { LocalCopies, LocalNamespace } from './local-copies.ts'
import type { Settings } from './options.ts'
import { Reader } from './reader.ts'
import type { NamespaceStats } from './stats.ts'
import type { Tier1 } from './tier1.ts'
import { type RedisSide, Tiers } from './tiers.ts'
import { UNTRACKED_TTL_MS } from './ttl.ts'

export interface NamespaceOptions<K extends string | number, V> {
  /** Small letters, digits and dashes; part of every key, in clear. */
  name: string
  /** Raise it when the shape of the values changes: replicas of both releases then keep to their own keys. */
  version: number
  ttlMs: number
  /** How long after its TTL a value may still be answered while it is refreshed, or while the loader fails. Default 0. */
  graceMs?: number
  /** How long "the loader found nothing" is kept. Default 0: not at all. */
  negativeTtlMs?: number
  /** After this the loader's signal aborts and the read fails, or answers within grace. Default 2000. */
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
   * For values that may be as old as their TTL, such as a page that changes with every write: kept in this process only, and
   * by TTL alone. Tier 1 then needs no proof that invalidations arrive, so it answers while Redis is unavailable, too.
   */
  ttlOnly?: boolean
}

export interface Namespace<K extends string | number, V> {
  /** The key as a write inserts it into the outbox, such as `c:user:1:{42}`; in Redis the installation's prefix precedes it. */
  keyOf(id: K): string
  /** A tier-1 hit, without a promise; undefined when the read has to go further. */
  getSync(id: K): CacheHit<V> | undefined
  get(id: K): Promise<CacheHit<V>>
  /** In the order of the ids; one round trip per Redis, one loader call for all missing keys. Rejects if one of them fails. */
  getMany(ids: readonly K[]): Promise<CacheHit<V>[]>
  /**
   * Stores a value that did not come from the loader. It is not protected against a concurrent write: after a write use
   * `invalidate`.
   *
   * @throws AppError CACHE_INVALIDATION_UNDELIVERED when Redis did not accept it
   */
  set(id: K, value: V): Promise<void>
  /**
   * Removes values everywhere.
   *
   * @throws AppError CACHE_INVALIDATION_UNDELIVERED when that is not certain
   */
  invalidate(ids: K | readonly K[]): Promise<void>
  /**
   * Makes all values of the namespace worthless everywhere.
   *
   * @throws AppError CACHE_INVALIDATION_UNDELIVERED when that is not certain
   */
  clear(): Promise<void>
  stats(): Readonly<NamespaceStats>
}

interface NamespaceContext {
  settings: Settings
  local: LocalCopies
  own: LocalNamespace
  coherence: Coherence
  redis: RedisSide | undefined
  onLoad: (seconds: number) => void
}

const LEASE_MARGIN_MS = 500

export class CacheNamespace<K extends string | number, V> implements Namespace<K, V> {
  readonly #name: string
  readonly #keyPrefix: string
  readonly #context: NamespaceContext
  readonly #tier1: Tier1 | undefined
  readonly #stats: NamespaceStats
  readonly #decode: Codec<V>['decode']
  readonly #tiers: Tiers
  readonly #reader: Reader<K, V>

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
      tier1MaxMs: context.redis === undefined && !ttlOnly ? UNTRACKED_TTL_MS : Number.POSITIVE_INFINITY,
      stats: own.stats,
    })
    this.#reader = new Reader<K, V>({
      tiers: this.#tiers,
      leases: settings.safeguards.leases,
      joinMs: settings.trackingLeaseMs,
      reads: local.reads,
      stats: own.stats,
      codec,
      load: createLoader({ name, load, loadMany, limitMs: hardLimitMs, stats: own.stats, onLoad }),
      ttlMs,
      graceMs,
      negativeTtlMs,
      // Longer than the loader may take: no lease is taken from a living holder, and a dead one costs this much at most.
      leaseMs: hardLimitMs + LEASE_MARGIN_MS,
    })
  }

  keyOf(id: K): string {
    return keyWithin(this.#name, this.#keyPrefix, id)
  }

  getSync(id: K): Hit<V> | undefined {
    return this.#hitTier1(this.keyOf(id))
  }

  get(id: K): Promise<Hit<V>> {
    const key = this.keyOf(id)
    const hit = this.#hitTier1(key)
    if (hit !== undefined) return Promise.resolve(hit)
    return this.#reader.joinable(key)?.promise ?? (this.#reader.read([{ key, id }])[0] as Promise<Hit<V>>)
  }

  async getMany(ids: readonly K[]): Promise<Hit<V>[]> {
    const missing: { key: string; id: K }[] = []
    const places = new Map<string, number>()
    const hits = ids.map((id) => {
      const key = this.keyOf(id)
      const place = places.get(key)
      if (place !== undefined) return place
      const known = this.#hitTier1(key) ?? this.#reader.joinable(key)?.promise
      if (known !== undefined) return known
      places.set(key, missing.length)
      return missing.push({ key, id }) - 1
    })
    const reads = missing.length > 0 ? this.#reader.read(missing) : []
    return Promise.all(hits.map((hit) => (typeof hit === 'number' ? (reads[hit] as Promise<Hit<V>>) : hit)))
  }

  async set(id: K, value: V): Promise<void> {
    const key = this.keyOf(id)
    if (await this.#reader.store(key, id, value)) return
    if (this.#tiers.shared !== undefined) throw undelivered([key])
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
    local.forget(own)
  }

  stats(): Readonly<NamespaceStats> {
    return { ...this.#stats }
  }

  #hitTier1(key: string): Hit<V> | undefined {
    const entry = this.#tier1?.get(key, this.#stats)
    if (entry === undefined) return undefined
    this.#stats.hitsL1++
    return new Hit('l1', entry.payload, this.#decode)
  }
}

/** @throws AppError CACHE_OPTION_INVALID */
export function checkNamespace(
  options: Pick<NamespaceOptions<never, never>, 'name' | 'version' | 'ttlMs' | 'hardLimitMs' | 'graceMs'>,
): void {
  const { name, version, ttlMs, hardLimitMs = 1, graceMs = 0 } = options
  if (!/^[a-z0-9-]{1,64}$/.test(name))
    throw invalidOption(`a namespace's name is a-z, 0-9 and dashes; got "${name}"`)
  if (!Number.isInteger(version))
    throw invalidOption(`version of "${name}" must be a whole number; got ${version}`)
  const times = { ttlMs, hardLimitMs, graceMs: graceMs + 1 }
  for (const [option, value] of Object.entries(times)) {
    if (!(Number.isFinite(value) && value > 0))
      throw invalidOption(`${option} of "${name}" must be positive; got ${value}`)
  }
}
