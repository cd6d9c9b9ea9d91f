import type { Codec } from './codec.ts'
import { json } from './codec.ts'
import { invalidOption, undelivered } from './errors.ts'
import type { Flights } from './flights.ts'
import { type CacheHit, Hit } from './hit.ts'
import { keyWithin, namespacePrefix } from './keys.ts'
import { createLoader, type LoadContext } from './loader.ts'
import type { Delivery } from './outbox.ts'
import { createReader, type RedisSide } from './reader.ts'
import type { NamespaceStats } from './stats.ts'
import type { Tier1 } from './tier1.ts'
import { UNTRACKED_TTL_MS } from './ttl.ts'

export type NamespaceOptions<K extends string | number, V> = {
  /** Small letters, digits and dashes; part of every key, in clear. */
  name: string
  /** Raise it when the shape of the values changes: replicas of both releases then keep to their own keys. */
  version: number
  ttlMs: number
  /** How long after its TTL a value may still be answered while it is refreshed, or while the loader fails. Default 0. */
  graceMs?: number
  /** How long "the loader found nothing" is kept. Default 0: not at all. */
  negativeTtlMs?: number
  /** How long a reader of an expired value waits for the new one before it takes the old one. Default 0. */
  softLimitMs?: number
  /** After this the loader's signal aborts and the read fails, or answers within grace. Default 2000. */
  hardLimitMs?: number
  load: (key: K, context: LoadContext) => Promise<V | undefined> | V | undefined
  /** One call for all that `getMany` misses. What the map lacks counts as not found. */
  loadMany?: (keys: readonly K[], context: LoadContext) => Promise<ReadonlyMap<K, V>>
  encode?: Codec<V>['encode']
  decode?: Codec<V>['decode']
  /** Decode what is read from tier 2 at once, so that what does not decode is a miss. Default true; the checksum is always looked at. */
  decodeOnRead?: boolean
  /** Keep values in this process only; invalidations still reach every process. */
  tier1Only?: boolean
  /**
   * For what may be as old as its TTL, such as a page that changes with every write: kept in this process only, and by its
   * TTL alone. No proof that invalidations are heard is asked for, so tier 1 answers while Redis is away, too.
   */
  ttlOnly?: boolean
}

export type Namespace<K extends string | number, V> = {
  /** What goes into the outbox, such as `c:user:1:{42}`; in Redis the installation's prefix stands before it. */
  keyOf(id: K): string
  /** A tier-1 hit, without a promise; undefined when the read has to go further. */
  getSync(id: K): CacheHit<V> | undefined
  get(id: K): Promise<CacheHit<V>>
  /** In the order of the ids; one round trip for each Redis, one loader call for all that is missing. Rejects if one of them fails. */
  getMany(ids: readonly K[]): Promise<CacheHit<V>[]>
  /**
   * Stores a value that did not come from the loader. It is not protected against a concurrent write: after a write use
   * `invalidate`. Rejects when Redis could not be told.
   */
  set(id: K, value: V): Promise<void>
  /** Removes values everywhere. Rejects with CACHE_INVALIDATION_UNDELIVERED when that is not certain. */
  invalidate(ids: K | readonly K[]): Promise<void>
  /** Makes all values of the namespace worthless everywhere. Rejects when that is not certain. */
  clear(): Promise<void>
  stats(): Readonly<NamespaceStats>
}

export type NamespaceContext = {
  tier1: Tier1 | undefined
  redis: RedisSide | undefined
  l2Enabled: boolean
  leases: boolean
  joinMs: number
  flights: Flights
  stats: NamespaceStats
  deliver: (keys: readonly string[]) => Promise<Delivery>
  /** A change of the whole namespace, in this process. */
  forgetAll: () => void
  onLoad: (seconds: number) => void
}

const LEASE_MARGIN_MS = 500

export function createNamespace<K extends string | number, V>(
  options: NamespaceOptions<K, V>,
  context: NamespaceContext,
): Namespace<K, V> {
  const {
    name,
    version,
    ttlMs,
    graceMs = 0,
    negativeTtlMs = 0,
    softLimitMs = 0,
    hardLimitMs = 2_000,
  } = options
  const { tier1, stats, deliver, forgetAll } = context
  const { ttlOnly = false } = options
  const redis = ttlOnly ? undefined : context.redis
  const codec: Codec<V> = { ...json<V>(), ...definedCodec(options) }
  const inTier2 = context.l2Enabled && !ttlOnly && options.tier1Only !== true
  const keyPrefix = `${namespacePrefix({ name, version })}{`
  const { load, loadMany, decodeOnRead = true } = options
  const reader = createReader<K, V>({
    ...context,
    redis,
    inTier2,
    codec,
    decodeOnRead,
    load: createLoader({ name, load, loadMany, limitMs: hardLimitMs, stats, onLoad: context.onLoad }),
    ttlMs,
    tier1MaxMs: redis === undefined && !ttlOnly ? UNTRACKED_TTL_MS : Number.POSITIVE_INFINITY,
    graceMs,
    negativeTtlMs,
    softLimitMs,
    // The lease outlives the loader's limit, so a holder that lives is never robbed; one that dies costs this much at most.
    leaseMs: hardLimitMs + LEASE_MARGIN_MS,
  })

  return {
    keyOf,
    getSync: (id) => hitTier1(keyOf(id)),
    get(id) {
      const key = keyOf(id)
      const hit = hitTier1(key)
      return hit === undefined ? readOne(key, id) : Promise.resolve(hit)
    },
    getMany,
    async set(id, value) {
      const key = keyOf(id)
      if (await reader.store(key, id, value)) return
      if (inTier2 || (await deliver([key])).undelivered.length > 0) throw undelivered([key])
    },
    async invalidate(ids) {
      const { undelivered: left } = await deliver((Array.isArray(ids) ? ids : [ids]).map(keyOf))
      if (left.length > 0) throw undelivered(left)
    },
    async clear() {
      forgetAll()
      await redis?.generation.renew().catch((cause: unknown) => {
        throw undelivered([`${keyPrefix}*}`], cause)
      })
      forgetAll()
    },
    stats: () => ({ ...stats }),
  }

  function keyOf(id: K): string {
    return keyWithin(name, keyPrefix, id)
  }

  function hitTier1(key: string): Hit<V> | undefined {
    const entry = tier1?.get(key, stats)
    if (entry === undefined) return undefined
    stats.hitsL1++
    return new Hit('l1', entry.payload, codec.decode)
  }

  function readOne(key: string, id: K): Promise<Hit<V>> {
    return reader.joinable(key)?.promise ?? (reader.readAll([{ key, id }])[0] as Promise<Hit<V>>)
  }

  async function getMany(ids: readonly K[]): Promise<Hit<V>[]> {
    const missing: { key: string; id: K }[] = []
    const places = new Map<string, number>()
    const hits = ids.map((id) => {
      const key = keyOf(id)
      const place = places.get(key)
      if (place !== undefined) return place
      const known = hitTier1(key) ?? reader.joinable(key)?.promise
      if (known !== undefined) return known
      places.set(key, missing.length)
      return missing.push({ key, id }) - 1
    })
    const reads = missing.length > 0 ? reader.readAll(missing) : []
    return Promise.all(hits.map((hit) => (typeof hit === 'number' ? (reads[hit] as Promise<Hit<V>>) : hit)))
  }
}

export function checkNamespace(
  options: Omit<NamespaceOptions<never, never>, 'load' | 'loadMany' | 'encode' | 'decode'>,
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

/** Only what was given, so that the default is not overwritten by undefined. */
function definedCodec<V>({ encode, decode }: { encode?: Codec<V>['encode']; decode?: Codec<V>['decode'] }) {
  return { ...(encode && { encode }), ...(decode && { decode }) }
}
