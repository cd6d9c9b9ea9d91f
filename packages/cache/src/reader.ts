import { randomBytes } from 'node:crypto'
import { performance } from 'node:perf_hooks'
import type { Codec } from './codec.ts'
import { headerOf, pack, unpack } from './envelope.ts'
import { Flight, type Flights } from './flights.ts'
import type { Generation } from './generation.ts'
import { Hit } from './hit.ts'
import { delay } from './limit.ts'
import type { Loaded } from './loader.ts'
import type { NamespaceStats } from './stats.ts'
import type { Tier1 } from './tier1.ts'
import type { Tier2 } from './tier2.ts'
import type { Topology } from './topology.ts'
import type { Proof } from './tracking.ts'
import { jittered, storedForMs, tier1TtlMs } from './ttl.ts'

export type RedisSide = { tier2: Tier2; topology: Topology; generation: Generation }

type ReaderOptions<K, V> = {
  tier1: Tier1 | undefined
  /** Undefined: no Redis at all. */
  redis: RedisSide | undefined
  /** The values are kept in tier 2 too. */
  inTier2: boolean
  leases: boolean
  /** For how long a read under way may be joined while nothing proves that its value is current. */
  joinMs: number
  flights: Flights
  stats: NamespaceStats
  codec: Codec<V>
  decodeOnRead: boolean
  load: (ids: readonly K[]) => Promise<Loaded<V>[]>
  ttlMs: number
  /** Tier 1 keeps nothing for longer, whatever its TTL. */
  tier1MaxMs: number
  graceMs: number
  negativeTtlMs: number
  softLimitMs: number
  leaseMs: number
}

type Read<K, V> = {
  readonly flight: Flight<Hit<V>>
  readonly id: K
  /** How often it was begun anew because what it had found was old. */
  readonly attempt: number
  /** Every change of the value has been heard of since before it was read. */
  readonly tracked: boolean
  generation: string
  /** The server of that generation. */
  server: string
}
/** What a reader found in tier 2 and did not accept as fresh. */
type Judged<V> = { header: Buffer | undefined; stale: Hit<V> | undefined }
type Waiting<K, V> = Judged<V> & { item: Read<K, V> }
type Granted<K, V> = Waiting<K, V> & { token: string }

const UNSEEN = { header: undefined, stale: undefined }
const UNPROVEN: Proof = { provenUntil: 0 }
const FOREVER: Proof = { provenUntil: Number.POSITIVE_INFINITY }
const NOTHING = Buffer.alloc(0)
const POLL_FIRST_MS = 4
const POLL_MOST_MS = 25
const MOST_ATTEMPTS = 4
const FORGET_LIMIT_MS = 50

/** How a namespace is read below tier 1: tier 2, then, with a lease, the loader. */
export function createReader<K, V>(options: ReaderOptions<K, V>) {
  const { tier1, redis, leases, joinMs, flights, stats, codec, decodeOnRead, load } = options
  const { ttlMs, tier1MaxMs, graceMs, negativeTtlMs, softLimitMs, leaseMs } = options
  const { encode, decode } = codec
  const shared = options.inTier2 ? redis : undefined
  const tokenPrefix = randomBytes(9).toString('base64url')
  let tokens = 0
  let expectMiss = false

  return { joinable, readAll, store }

  /** A read under way has seen every write of before it began, and of others it would have heard while its link is alive. */
  function joinable(key: string): Flight<Hit<V>> | undefined {
    const flight = flights.get<Hit<V>>(key)
    if (flight === undefined || flight.dirty) return undefined
    const now = performance.now()
    return now <= proofOf(key).provenUntil || now - flight.startedAt < joinMs ? flight : undefined
  }

  /** Starts to read the keys, as one. */
  function readAll(wanted: readonly { key: string; id: K }[], attempt = 1): Promise<Hit<V>>[] {
    const reads = wanted.map(({ key, id }) => begin(flights.start<Hit<V>>(key), id, attempt))
    void run(reads).catch((error: unknown) => {
      for (const { flight } of reads) flight.reject(error)
    })
    return reads.map(({ flight }) => flight.promise)
  }

  function begin(flight: Flight<Hit<V>>, id: K, attempt: number): Read<K, V> {
    const tracked = proofOf(flight.key).provenUntil > 0 && namespaceProof().provenUntil > 0
    return { flight, id, attempt, tracked, generation: '', server: '' }
  }

  async function run(reads: readonly Read<K, V>[]): Promise<void> {
    if (shared === undefined) return loadPastTier2(reads)
    const generation = shared.generation.known() ?? (await shared.generation.ask())
    if (generation === undefined) return loadPastTier2(reads)
    const server = shared.generation.server()
    for (const item of reads) {
      item.generation = generation
      item.server = server
    }
    // Where the last read missed, this one may too: it asks for value and lease at once, one round trip instead of two.
    if (expectMiss && leases) return leaseAndLoad(reads.map((item) => ({ item, ...UNSEEN })))
    const stored = await shared.tier2.read(reads.map((item) => item.flight.key))
    const unasked: Read<K, V>[] = []
    const missing: Waiting<K, V>[] = []
    for (const [index, item] of reads.entries()) {
      const bytes = stored[index]
      const judged = bytes === undefined ? undefined : judge(item, bytes)
      if (bytes === undefined) unasked.push(item)
      if (judged !== undefined) missing.push({ item, ...judged })
    }
    if (unasked.length > 0) await Promise.all([loadPastTier2(unasked), leaseAndLoad(missing)])
    else if (missing.length > 0) await leaseAndLoad(missing)
  }

  /** Settles the read if the stored bytes are fresh; otherwise says what was found. */
  function judge(item: Read<K, V>, bytes: Buffer | null): Judged<V> | undefined {
    if (bytes === null || bytes.length === 0) {
      expectMiss = true
      return UNSEEN
    }
    const envelope = unpack(bytes)
    if (envelope === undefined) {
      stats.undecodable++
      return { header: headerOf(bytes), stale: undefined }
    }
    const isCurrent = envelope.generation === item.generation && shared?.generation.server() === item.server
    if (!isCurrent) return { header: headerOf(bytes), stale: undefined }
    const payload = envelope.negative ? undefined : envelope.payload
    const freshMs = tier1TtlMs(envelope.freshUntil, redisNow(item.flight.key), Math.random())
    const hit = new Hit('l2', payload, decode, freshMs === 0)
    try {
      if (decodeOnRead) void hit.value
    } catch {
      stats.undecodable++
      return { header: headerOf(bytes), stale: undefined }
    }
    if (freshMs === 0) return { header: headerOf(bytes), stale: envelope.negative ? undefined : hit }
    stats.hitsL2++
    expectMiss = false
    keepInTier1(item, payload, freshMs)
    item.flight.resolve(hit)
    return undefined
  }

  async function leaseAndLoad(missing: readonly Waiting<K, V>[]): Promise<void> {
    const outcomes = await Promise.all(missing.map((waiting) => takeLease(waiting, false)))
    const toLoad: Granted<K, V>[] = []
    const past: Read<K, V>[] = []
    const work: Promise<void>[] = []
    for (const [index, outcome] of outcomes.entries()) {
      const item = missing[index]?.item
      if (item === undefined || outcome === 'settled') continue
      if (outcome === 'unavailable') past.push(item)
      else if (!('token' in outcome)) work.push(waitForLease(outcome))
      else if (outcome.stale === undefined) toLoad.push(outcome)
      else work.push(refresh(outcome, outcome.stale))
    }
    if (past.length > 0) work.push(loadPastTier2(past))
    if (toLoad.length > 0) work.push(loadAndFill(toLoad))
    await Promise.all(work)
  }

  /** One try. `settled`: somebody has filled meanwhile, or a value within its grace was answered while another refreshes it. */
  async function takeLease(
    { item, header, stale }: Waiting<K, V>,
    takeOver: boolean,
  ): Promise<Granted<K, V> | Waiting<K, V> | 'settled' | 'unavailable'> {
    if (shared === undefined || !leases) return { item, header, stale, token: '' }
    const token = `${tokenPrefix}${tokens++}`
    item.flight.guarding = true
    for (let known: Judged<V> = { header, stale }; ; ) {
      const request = { key: item.flight.key, token, leaseMs, judged: known.header, takeOver }
      const reply = await shared.tier2.acquire(request).catch(() => undefined)
      if (reply === undefined) return 'unavailable'
      if (reply.kind === 'value') {
        const next = judge(item, reply.bytes)
        if (next === undefined) return 'settled'
        known = next
        continue
      }
      if (reply.otherType) stats.undecodable++
      const there: Waiting<K, V> = { item, ...(reply.judgedIsThere ? known : UNSEEN) }
      if (reply.kind === 'granted') return { ...there, token }
      if (there.stale === undefined) return there
      settleStale(item, there.stale)
      return 'settled'
    }
  }

  /** Another process, or an older read of this one, is loading: polls until its value is there, or its lease is over. */
  async function waitForLease(waiting: Waiting<K, V>): Promise<void> {
    stats.leaseWaits++
    const { item } = waiting
    const until = performance.now() + leaseMs
    for (let pauseMs = POLL_FIRST_MS; ; pauseMs = Math.min(pauseMs * 1.5, POLL_MOST_MS)) {
      item.flight.guarding = false
      await pause(item.flight, pauseMs)
      // After a whole lease's time of waiting, holders have followed each other and failed: this read takes its turn.
      const outcome = await takeLease(waiting, performance.now() > until)
      if (outcome === 'settled') return
      if (outcome === 'unavailable') return loadPastTier2([item])
      if ('token' in outcome) return loadAndFill([outcome])
      waiting = outcome
    }
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

  /** Stale-while-revalidate: the old value after the soft limit at the latest, while the new one is loaded under the lease. */
  async function refresh({ item, token, header }: Granted<K, V>, stale: Hit<V>): Promise<void> {
    const fresh = {
      ...begin(new Flight(item.flight.key), item.id, item.attempt),
      generation: item.generation,
      server: item.server,
    }
    void loadAndFill([{ item: fresh, token, header, stale }])
    if (softLimitMs === 0) return settleStale(item, stale)
    const first = await Promise.race([fresh.flight.promise.catch(() => undefined), delay(softLimitMs)])
    if (first === undefined && (await isStillStored(item, header))) return settleStale(item, stale)
    item.flight.resolve(fresh.flight.promise)
  }

  /** As the holder of each lease: loads, and fills unless the token has gone. */
  async function loadAndFill(turns: readonly Granted<K, V>[]): Promise<void> {
    const loaded = await load(turns.map(({ item }) => item.id))
    await Promise.all(
      turns.map(async ({ item, token, stale, header }, index) => {
        const outcome = loaded[index]
        if (outcome?.ok) return fill(item, token, outcome.value)
        release(item.flight.key, token)
        if (stale !== undefined && (await isStillStored(item, header))) return settleStale(item, stale)
        item.flight.reject(outcome?.error)
      }),
    )
  }

  /**
   * Tier 1 is not filled here: Redis announces this fill to its own process too, before it replies, and nothing tells that
   * announcement from one of somebody else's write. The next read fills tier 1 from tier 2, which makes a fill and that
   * read 21–40 µs (16 under way). With NOLOOP on the filling connection there is no such announcement and the fill alone
   * is 9–14 µs; but Redis then tracks on that connection, and a PING on the link no longer proves that it does.
   */
  async function fill(item: Read<K, V>, token: string, value: V | undefined): Promise<void> {
    const { key } = item.flight
    const payload = value === undefined ? NOTHING : encode(value)
    const freshMs = jittered(value === undefined ? negativeTtlMs : ttlMs, Math.random())
    stats.misses++
    tier1?.delete(key)
    let refused = false
    if (value === undefined && negativeTtlMs === 0) release(key, token)
    else if (shared !== undefined) {
      const freshUntil = redisNow(key) + freshMs
      const bytes = pack({ negative: value === undefined, freshUntil, generation: item.generation, payload })
      const storedMs = storedForMs(freshMs, value === undefined ? 0 : graceMs)
      if (leases)
        refused = (await shared.tier2.fill({ key, token, bytes, storedMs }).catch(() => true)) === false
      else await shared.tier2.store(key, bytes, storedMs).catch(() => {})
    }
    const hit = new Hit('miss', value === undefined ? undefined : payload, decode, false, value)
    if (refused) stats.refusedFills++
    if (refused) readAgain(item, hit)
    else item.flight.resolve(hit)
  }

  /** Without a lease: the namespace has tier 1 only, or Redis cannot be used at the moment. Nothing is written to tier 2. */
  async function loadPastTier2(reads: readonly Read<K, V>[]): Promise<void> {
    const loaded = await load(reads.map((item) => item.id))
    await forgetInTier2(reads.map((item) => item.flight.key))
    for (const [index, item] of reads.entries()) {
      const outcome = loaded[index]
      if (outcome?.ok) settleLoaded(item, outcome.value)
      else item.flight.reject(outcome?.error)
    }
  }

  /**
   * A read past tier 2 may have seen a write whose invalidation is still to come. Unless a drain of the outbox lies before
   * the next read from tier 2, what lies there is removed, or the next read could go back to the version before.
   */
  async function forgetInTier2(keys: readonly string[]): Promise<void> {
    if (shared === undefined || shared.generation.drainAhead) return
    const readable = keys.filter((key) => shared.topology.findOwner(key)?.drainAhead === false)
    if (readable.length === 0) return
    const { applied } = await shared.tier2.invalidate(readable, FORGET_LIMIT_MS)
    if (applied.length === readable.length) return
    for (const key of readable) if (!applied.includes(key)) shared.topology.findOwner(key)?.distrust()
  }

  function settleLoaded(item: Read<K, V>, value: V | undefined) {
    const payload = value === undefined ? undefined : encode(value)
    const keeps = shared === undefined && tier1 !== undefined && item.tracked
    if (keeps) stats.misses++
    else stats.off++
    if (keeps && (value !== undefined || negativeTtlMs > 0)) {
      const keepMs = jittered(value === undefined ? negativeTtlMs : ttlMs, Math.random())
      keepInTier1(item, payload, keepMs)
    } else tier1?.delete(item.flight.key)
    const hit = new Hit(keeps ? 'miss' : 'off', payload, decode, false, value)
    if (item.flight.invalidated) readAgain(item, hit)
    else item.flight.resolve(hit)
  }

  /** What was found is older than a write that has been heard of meanwhile. */
  function readAgain(item: Read<K, V>, found: Hit<V>) {
    const { flight, id, attempt } = item
    flight.dirty = true
    const [again] = attempt < MOST_ATTEMPTS ? readAll([{ key: flight.key, id }], attempt + 1) : []
    flight.resolve(again ?? found)
  }

  function settleStale({ flight }: Read<K, V>, stale: Hit<V>) {
    stats.staleServed++
    flight.resolve(stale)
  }

  /** Grace is for what has expired, never for what was invalidated while somebody waited. */
  async function isStillStored({ flight, server }: Read<K, V>, header: Buffer | undefined): Promise<boolean> {
    const [bytes] = (await shared?.tier2.read([flight.key])) ?? []
    if (shared?.generation.server() !== server) return false
    return bytes != null && header !== undefined && headerOf(bytes).equals(header)
  }

  /**
   * What comes from below always replaces or removes what tier 1 has, so that a version never goes backwards here.
   * A copy: the bytes are a view of all that the socket has read.
   */
  function keepInTier1({ flight, tracked }: Read<K, V>, payload: Buffer | undefined, ms: number) {
    if (tier1 === undefined) return
    if (!tracked || flight.dirty) return tier1.delete(flight.key)
    tier1.set(flight.key, {
      payload: payload && Buffer.from(payload),
      expiresAt: performance.now() + Math.min(ms, tier1MaxMs),
      valueProof: proofOf(flight.key),
      namespaceProof: namespaceProof(),
      stats,
    })
  }

  /** False when Redis could not be told. */
  async function store(key: string, id: K, value: V): Promise<boolean> {
    tier1?.delete(key)
    flights.invalidated(key)
    const freshMs = jittered(ttlMs, Math.random())
    if (shared === undefined) {
      if (redis === undefined) keepInTier1(begin(new Flight(key), id, 1), encode(value), freshMs)
      return redis === undefined
    }
    const generation = shared.generation.known() ?? (await shared.generation.ask())
    if (generation === undefined) return false
    const bytes = pack({
      negative: false,
      freshUntil: redisNow(key) + freshMs,
      generation,
      payload: encode(value),
    })
    return shared.tier2.store(key, bytes, storedForMs(freshMs, graceMs)).then(
      () => true,
      () => false,
    )
  }

  function release(key: string, token: string) {
    if (leases) shared?.tier2.release(key, token).catch(() => {})
  }

  function redisNow(key: string): number {
    return redis?.topology.findOwner(key)?.now() ?? Number.POSITIVE_INFINITY
  }

  function proofOf(key: string): Proof {
    return redis === undefined ? FOREVER : (redis.topology.findOwner(key)?.link ?? UNPROVEN)
  }

  function namespaceProof(): Proof {
    return redis === undefined ? FOREVER : redis.generation.proof()
  }
}
