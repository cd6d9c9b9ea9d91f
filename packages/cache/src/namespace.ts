import { randomBytes } from 'node:crypto'
import { performance } from 'node:perf_hooks'
import type { Codec } from './codec.ts'
import { json } from './codec.ts'
import { headerOf, pack, unpack } from './envelope.ts'
import { invalidKey, invalidOption, undelivered } from './errors.ts'
import type { Flight, Flights } from './flights.ts'
import { createFlight } from './flights.ts'
import type { Generation } from './generation.ts'
import type { CacheHit } from './hit.ts'
import { Hit } from './hit.ts'
import { delay } from './limit.ts'
import type { LoadContext } from './loader.ts'
import { createLoader } from './loader.ts'
import type { Delivery } from './outbox.ts'
import type { NamespaceStats } from './stats.ts'
import type { Tier1 } from './tier1.ts'
import type { Tier2 } from './tier2.ts'
import type { Topology } from './topology.ts'
import type { Proof } from './tracking.ts'
import { jittered, storedForMs, tier1TtlMs, UNTRACKED_TTL_MS } from './ttl.ts'

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
}

export type Namespace<K extends string | number, V> = {
  /** The key in Redis, such as `c:user:1:{42}`: what goes into the outbox. */
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
  prefix: string
  tier1: Tier1 | undefined
  /** Undefined: no Redis at all. */
  redis: { tier2: Tier2; topology: Topology; generation: Generation } | undefined
  l2Enabled: boolean
  leases: boolean
  /** For how long a read under way may be joined while nothing proves that its value is current. */
  joinMs: number
  flights: Flights
  stats: NamespaceStats
  deliver: (keys: readonly string[]) => Promise<Delivery>
  /** A change of the whole namespace, in this process. */
  forgetAll: () => void
  onLoad: (seconds: number) => void
}

type Read<K, V> = { id: K; flight: Flight<Hit<V>>; tracked: boolean; generation: string }
/** What a reader found in tier 2 and did not accept as fresh. */
type Judged<V> = { header: Buffer | undefined; stale: Hit<V> | undefined }

const UNPROVEN: Proof = { provenUntil: 0 }
const FOREVER: Proof = { provenUntil: Number.POSITIVE_INFINITY }
const NOTHING = Buffer.alloc(0)
const LEASE_MARGIN_MS = 500
const POLL_FIRST_MS = 4
const POLL_MOST_MS = 25
const ATTEMPTS = 4

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
  const { tier1, redis, flights, stats, leases, joinMs } = context
  const { encode, decode } = { ...json<V>(), ...definedCodec(options) }
  const decodeOnRead = options.decodeOnRead ?? true
  const shared = context.l2Enabled && !options.tier1Only ? redis : undefined
  const keyPrefix = `${context.prefix}${name}:${version}:{`
  // The lease outlives the loader's limit, so a holder that lives is never robbed; one that dies costs this much at most.
  const leaseMs = hardLimitMs + LEASE_MARGIN_MS
  const load = createLoader({
    name,
    load: options.load,
    loadMany: options.loadMany,
    limitMs: hardLimitMs,
    stats,
    onLoad: context.onLoad,
  })

  return {
    keyOf,
    getSync: (id) => hitTier1(keyOf(id)),
    get(id) {
      const key = keyOf(id)
      const hit = hitTier1(key)
      return hit === undefined ? read(key, id) : Promise.resolve(hit)
    },
    getMany,
    set,
    async invalidate(ids) {
      const keys = (Array.isArray(ids) ? ids : [ids]).map(keyOf)
      const { undelivered: left } = await context.deliver(keys)
      if (left.length > 0) throw undelivered(left)
    },
    async clear() {
      context.forgetAll()
      await redis?.generation.renew().catch((cause: unknown) => {
        throw undelivered([`${keyPrefix}*}`], cause)
      })
      context.forgetAll()
    },
    stats: () => ({ ...stats }),
  }

  function keyOf(id: K): string {
    if (typeof id === 'number') return `${keyPrefix}${id}}`
    if (id === '') throw invalidKey(`a key of "${name}" is empty`)
    // A closing brace would end the hash tag, and the value and its lease would part.
    return `${keyPrefix}${/[}%]/.test(id) ? id.replaceAll('%', '%25').replaceAll('}', '%7D') : id}}`
  }

  function hitTier1(key: string): Hit<V> | undefined {
    const entry = tier1?.get(key, stats)
    if (entry === undefined) return undefined
    stats.hitsL1++
    return new Hit('l1', entry.payload, decode)
  }

  /** Past tier 1: joins a read that is under way, or starts one. Reads again what turned out to be old when it was found. */
  async function read(key: string, id: K): Promise<Hit<V>> {
    for (let attempt = 1; ; attempt++) {
      // The last attempt is its own: whatever it finds was current after this read began.
      const flight = (attempt < ATTEMPTS ? joinable(key) : undefined) ?? launch([{ key, id }])[0]
      const hit = await flight.promise
      if (!flight.superseded || attempt === ATTEMPTS) return hit
    }
  }

  async function getMany(ids: readonly K[]): Promise<Hit<V>[]> {
    const found = new Map<string, Hit<V> | Flight<Hit<V>>>()
    const starting = new Map<string, K>()
    const keys = ids.map(keyOf)
    keys.forEach((key, index) => {
      if (found.has(key) || starting.has(key)) return
      const known = hitTier1(key) ?? joinable(key)
      if (known === undefined) starting.set(key, ids[index] as K)
      else found.set(key, known)
    })
    if (starting.size > 0) {
      for (const flight of launch([...starting].map(([key, id]) => ({ key, id }))))
        found.set(flight.key, flight)
    }
    return Promise.all(
      keys.map(async (key, index) => {
        const known = found.get(key)
        if (known instanceof Hit) return known
        const hit = await known?.promise
        return hit === undefined || known?.superseded ? read(key, ids[index] as K) : hit
      }),
    )
  }

  /** A read under way has seen every write of before it began, and of others it would have heard while its link is alive. */
  function joinable(key: string): Flight<Hit<V>> | undefined {
    const flight = flights.get<Hit<V>>(key)
    if (flight === undefined || flight.dirty) return undefined
    const now = performance.now()
    return now <= proofOf(key).provenUntil || now - flight.startedAt < joinMs ? flight : undefined
  }

  function launch(wanted: readonly { key: string; id: K }[]): [Flight<Hit<V>>, ...Flight<Hit<V>>[]] {
    const reads = wanted.map(({ key, id }) => startRead(flights.start<Hit<V>>(key), id))
    run(reads).catch((error: unknown) => {
      for (const { flight } of reads) flight.reject(error)
    })
    return reads.map((item) => item.flight) as [Flight<Hit<V>>, ...Flight<Hit<V>>[]]
  }

  function startRead(flight: Flight<Hit<V>>, id: K): Read<K, V> {
    const tracked = proofOf(flight.key).provenUntil > 0 && namespaceProof().provenUntil > 0
    return { id, flight, tracked, generation: '' }
  }

  async function run(reads: Read<K, V>[]): Promise<void> {
    if (shared === undefined) return loadPastTier2(reads)
    const generation = shared.generation.known() ?? (await shared.generation.ask())
    if (generation === undefined) return loadPastTier2(reads)
    for (const item of reads) item.generation = generation
    const stored = await shared.tier2.read(reads.map((item) => item.flight.key))
    const unasked: Read<K, V>[] = []
    const missing: { item: Read<K, V>; judged: Judged<V> }[] = []
    reads.forEach((item, index) => {
      const bytes = stored[index]
      const judged = bytes === undefined ? undefined : judge(item, bytes)
      if (bytes === undefined) unasked.push(item)
      if (judged !== undefined) missing.push({ item, judged })
    })
    await Promise.all([
      unasked.length > 0 ? loadPastTier2(unasked) : undefined,
      missing.length > 0 ? leaseAndLoad(missing) : undefined,
    ])
  }

  /** Settles the read if the stored bytes are fresh; otherwise says what was found. */
  function judge(item: Read<K, V>, bytes: Buffer | null): Judged<V> | undefined {
    if (bytes === null || bytes.length === 0) return { header: undefined, stale: undefined }
    const header = headerOf(bytes)
    const envelope = unpack(bytes)
    if (envelope === undefined) {
      stats.undecodable++
      return { header, stale: undefined }
    }
    if (envelope.generation !== item.generation) return { header, stale: undefined }
    const payload = envelope.negative ? undefined : envelope.payload
    const left = tier1TtlMs(envelope.freshUntil, redisNow(item.flight.key), Math.random())
    let hit: Hit<V>
    try {
      const value = decodeOnRead && payload !== undefined ? { value: decode(payload) } : undefined
      hit = new Hit('l2', payload, decode, left === 0, ...(value === undefined ? [] : [value.value]))
    } catch {
      stats.undecodable++
      return { header, stale: undefined }
    }
    if (left === 0) return { header, stale: envelope.negative ? undefined : hit }
    stats.hitsL2++
    keepInTier1(item, payload, left)
    item.flight.resolve(hit)
    return undefined
  }

  async function leaseAndLoad(missing: { item: Read<K, V>; judged: Judged<V> }[]): Promise<void> {
    const granted: {
      item: Read<K, V>
      token: string
      stale: Hit<V> | undefined
      header: Buffer | undefined
    }[] = []
    const past: Read<K, V>[] = []
    const waits: Promise<void>[] = []
    await Promise.all(
      missing.map(async ({ item, judged }) => {
        const outcome = await takeLease(item, judged, false)
        if (outcome === 'settled') return
        if (outcome === 'unavailable') past.push(item)
        else if (outcome.kind === 'granted') granted.push({ item, ...outcome })
        else waits.push(waitForLease(item, outcome))
      }),
    )
    const refreshed = granted.filter(({ stale }) => stale !== undefined)
    const loaded = granted.filter(({ stale }) => stale === undefined)
    for (const { item, token, stale, header } of refreshed)
      if (stale) void refresh(item, token, stale, header)
    await Promise.all([
      ...waits,
      past.length > 0 ? loadPastTier2(past) : undefined,
      loaded.length > 0 ? loadAndFill(loaded) : undefined,
    ])
  }

  type Turn = { kind: 'granted'; token: string; stale: Hit<V> | undefined; header: Buffer | undefined }
  type Wait = { kind: 'held' } & Judged<V>

  /** One try. `settled`: somebody has filled meanwhile, or a value within its grace was answered while another refreshes it. */
  async function takeLease(
    item: Read<K, V>,
    judged: Judged<V>,
    takeOver: boolean,
  ): Promise<Turn | Wait | 'settled' | 'unavailable'> {
    const token = leases ? randomBytes(9).toString('base64url') : ''
    if (!leases) return { kind: 'granted', token, ...judged }
    item.flight.guarding = true
    for (let known: Judged<V> = judged; ; ) {
      const reply = await shared?.tier2
        .acquire(item.flight.key, token, leaseMs, known.header, takeOver)
        .catch(() => undefined)
      if (reply === undefined) return 'unavailable'
      if (reply.kind === 'value') {
        const next = judge(item, reply.bytes)
        if (next === undefined) return 'settled'
        known = next
        continue
      }
      const there = reply.judgedIsThere ? known : { header: undefined, stale: undefined }
      if (reply.kind === 'granted') return { kind: 'granted', token, ...there }
      if (there.stale === undefined) return { kind: 'held', ...there }
      settleStale(item.flight, there.stale)
      return 'settled'
    }
  }

  /** Another process, or an older read of this one, is loading: polls until its value is there, or its lease is over. */
  async function waitForLease(item: Read<K, V>, judged: Judged<V>): Promise<void> {
    stats.leaseWaits++
    const { flight } = item
    const until = performance.now() + leaseMs
    let known = judged
    for (let pauseMs = POLL_FIRST_MS; ; pauseMs = Math.min(pauseMs * 1.5, POLL_MOST_MS)) {
      flight.guarding = false
      await pause(flight, pauseMs)
      // After a whole lease's time of waiting, holders have followed each other and failed: this read takes its turn.
      const outcome = await takeLease(item, known, performance.now() > until)
      if (outcome === 'settled') return
      if (outcome === 'unavailable') return loadPastTier2([item])
      if (outcome.kind === 'granted') return loadAndFill([{ item, ...outcome }])
      known = outcome
    }
  }

  /** Stale-while-revalidate: the old value after the soft limit at the latest, while the new one is loaded under the lease. */
  async function refresh(
    item: Read<K, V>,
    token: string,
    stale: Hit<V>,
    header: Buffer | undefined,
  ): Promise<void> {
    const fresh = startRead(createFlight<Hit<V>>(item.flight.key), item.id)
    fresh.generation = item.generation
    void loadAndFill([{ item: fresh, token, stale, header }])
    if (softLimitMs === 0) return settleStale(item.flight, stale)
    const first = await Promise.race([fresh.flight.promise.catch(() => undefined), delay(softLimitMs)])
    if (first === undefined && (await isStillStored(item.flight.key, header)))
      return settleStale(item.flight, stale)
    fresh.flight.promise.then((hit) => {
      item.flight.superseded = fresh.flight.superseded
      item.flight.resolve(hit)
    }, item.flight.reject)
  }

  /** As the holder of each lease: loads, and fills unless the token has gone. */
  async function loadAndFill(
    turns: readonly {
      item: Read<K, V>
      token: string
      stale: Hit<V> | undefined
      header: Buffer | undefined
    }[],
  ): Promise<void> {
    const loaded = await load(turns.map(({ item }) => item.id))
    await Promise.all(
      turns.map(async ({ item, token, stale, header }, index) => {
        const outcome = loaded[index]
        if (outcome?.ok) return fill(item, token, outcome.value)
        release(item.flight.key, token)
        if (stale !== undefined && (await isStillStored(item.flight.key, header)))
          return settleStale(item.flight, stale)
        item.flight.reject(outcome?.error)
      }),
    )
  }

  async function fill(
    { flight, generation }: Read<K, V>,
    token: string,
    value: V | undefined,
  ): Promise<void> {
    const { key } = flight
    const payload = value === undefined ? NOTHING : encode(value)
    const freshMs = jittered(value === undefined ? negativeTtlMs : ttlMs, Math.random())
    stats.misses++
    tier1?.delete(key)
    if (value === undefined && negativeTtlMs === 0) {
      release(key, token)
    } else if (shared !== undefined) {
      const freshUntil = redisNow(key) + freshMs
      const bytes = pack({ negative: value === undefined, freshUntil, generation, payload })
      const storedMs = storedForMs(freshMs, value === undefined ? 0 : graceMs)
      const filling = leases
        ? shared.tier2.fill(key, token, bytes, storedMs)
        : shared.tier2.store(key, bytes, storedMs)
      if ((await filling.catch(() => undefined)) === false) {
        flight.superseded = true
        stats.refusedFills++
      }
    }
    flight.resolve(new Hit('miss', value === undefined ? undefined : payload, decode, false, value))
  }

  /** Without a lease: the namespace has tier 1 only, or Redis cannot be used at the moment. Nothing is written to tier 2. */
  async function loadPastTier2(reads: readonly Read<K, V>[]): Promise<void> {
    const loaded = await load(reads.map((item) => item.id))
    reads.forEach((item, index) => {
      const outcome = loaded[index]
      if (outcome?.ok) keep(item, outcome.value)
      else item.flight.reject(outcome?.error)
    })
  }

  function keep(item: Read<K, V>, value: V | undefined) {
    const payload = value === undefined ? undefined : encode(value)
    const keepMs = jittered(value === undefined ? negativeTtlMs : ttlMs, Math.random())
    const keeps = shared === undefined && tier1 !== undefined && (redis === undefined || item.tracked)
    if (keeps && (value !== undefined || negativeTtlMs > 0)) {
      keepInTier1(item, payload, redis === undefined ? Math.min(keepMs, UNTRACKED_TTL_MS) : keepMs)
    } else tier1?.delete(item.flight.key)
    if (keeps) stats.misses++
    else stats.off++
    item.flight.superseded = item.flight.invalidated
    item.flight.resolve(new Hit(keeps ? 'miss' : 'off', payload, decode, false, value))
  }

  /**
   * What comes from below always replaces or removes what tier 1 has, so that a version never goes backwards here.
   * A copy: the bytes are a view of all that the socket has read.
   */
  function keepInTier1({ flight, tracked }: Read<K, V>, payload: Buffer | undefined, ms: number) {
    if (!tracked || flight.dirty) return tier1?.delete(flight.key)
    tier1?.set(flight.key, {
      payload: payload && Buffer.from(payload),
      expiresAt: performance.now() + ms,
      valueProof: proofOf(flight.key),
      namespaceProof: namespaceProof(),
      stats,
    })
  }

  /** Ends early when a change of the key is announced: mostly the value that is waited for. */
  function pause(flight: Flight<Hit<V>>, ms: number): Promise<void> {
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, ms)
      flight.wake = () => {
        clearTimeout(timer)
        resolve()
      }
    })
  }

  function settleStale(flight: Flight<Hit<V>>, stale: Hit<V>) {
    stats.staleServed++
    flight.resolve(stale)
  }

  /** Grace is for what has expired, never for what was invalidated while somebody waited. */
  async function isStillStored(key: string, header: Buffer | undefined): Promise<boolean> {
    const [bytes] = (await shared?.tier2.read([key])) ?? []
    return bytes != null && header !== undefined && headerOf(bytes).equals(header)
  }

  async function set(id: K, value: V): Promise<void> {
    const key = keyOf(id)
    tier1?.delete(key)
    flights.invalidated(key)
    if (shared !== undefined) {
      const generation = shared.generation.known() ?? (await shared.generation.ask())
      if (generation === undefined) throw undelivered([key])
      const freshMs = jittered(ttlMs, Math.random())
      const freshUntil = redisNow(key) + freshMs
      const bytes = pack({ negative: false, freshUntil, generation, payload: encode(value) })
      await shared.tier2.store(key, bytes, storedForMs(freshMs, graceMs)).catch((cause: unknown) => {
        throw undelivered([key], cause)
      })
    } else if (redis === undefined) {
      const own = startRead(createFlight<Hit<V>>(key), id)
      keepInTier1(own, encode(value), Math.min(ttlMs, UNTRACKED_TTL_MS))
    } else {
      const { undelivered: left } = await context.deliver([key])
      if (left.length > 0) throw undelivered(left)
    }
  }

  function release(key: string, token: string) {
    if (leases) shared?.tier2.release(key, token).catch(() => {})
  }

  function redisNow(key: string): number {
    try {
      return redis?.topology.ownerOf(key).now() ?? performance.now()
    } catch {
      return Number.POSITIVE_INFINITY
    }
  }

  function proofOf(key: string): Proof {
    if (redis === undefined) return FOREVER
    try {
      return redis.topology.ownerOf(key).link
    } catch {
      return UNPROVEN
    }
  }

  function namespaceProof(): Proof {
    return redis === undefined ? FOREVER : redis.generation.proof()
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
