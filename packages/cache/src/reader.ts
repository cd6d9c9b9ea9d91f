import { randomBytes } from 'node:crypto'
import { performance } from 'node:perf_hooks'
import { Batches } from './batch.ts'
import type { Codec } from './codec.ts'
import { headerOf, pack, unpack } from './envelope.ts'
import { Hit } from './hit.ts'
import type { Loaded, Loader } from './loader.ts'
import { Read, type ReadsInFlight } from './read.ts'
import type { NamespaceStats } from './stats.ts'
import type { Acquired, Tier2 } from './tier2.ts'
import type { RedisSide, Tiers } from './tiers.ts'
import { jittered, storedForMs, tier1TtlMs } from './ttl.ts'

interface ReaderOptions<K, V> {
  tiers: Tiers
  leases: boolean
  /** Reads of one turn of the event loop look up tier 2, and fill it, together. */
  inBatches: boolean
  /** For how long after its start a read may be joined when no tracking link proves that its value is current. */
  joinMs: number
  reads: ReadsInFlight
  stats: NamespaceStats
  codec: Codec<V>
  loader: Loader<K, V>
  ttlMs: number
  graceMs: number
  negativeTtlMs: number
  leaseMs: number
}

/** A loaded value on its way to tier 2. */
interface Fill<K, V> {
  readonly read: Read<K, V>
  readonly hit: Hit<V>
  readonly key: string
  readonly token: string
  readonly bytes: Buffer
  readonly storedMs: number
  readonly context: Read<K, V>['context']
}

/**
 * - `settled`: the read is answered, with a value that another reader stored meanwhile, or with an expired value that another
 *   reader is refreshing.
 * - `granted`: this read holds the lease and has to load.
 * - `held`: another reader holds the lease, and there is no expired value to answer.
 * - `unavailable`: the owner of the key cannot be used.
 * - `changed`: tier 2 holds bytes that the read has not judged, and they are not fresh either.
 */
type LeaseOutcome = 'settled' | 'granted' | 'held' | 'unavailable' | 'changed'

const NOTHING = Buffer.alloc(0)
const POLL_MIN_MS = 4
const POLL_MAX_MS = 25
const MAX_ATTEMPTS = 4
const REMOVAL_TIMEOUT_MS = 50

/**
 * Reads a namespace below tier 1. The life of a read:
 *
 * ```
 * read ── no tier 2, or its owner is unavailable ──────────────→ bypass: load, keep out of tier 2
 *   │
 *   └─ readTier2 → answerIfFresh ── fresh ─────────────────────→ answered
 *                     │
 *                     └─ missing, expired or damaged → acquireLeases
 *                           ├─ stored by another reader ───────→ answered
 *                           ├─ granted ──→ load → fill ────────→ answered, or read again if a write removed the lease
 *                           ├─ granted, value within grace ────→ answered; refresh in the background
 *                           ├─ held, value within grace ───────→ answered; the holder refreshes
 *                           ├─ held ─────→ awaitHolder → acquire …
 *                           └─ unavailable ────────────────────→ bypass
 * ```
 *
 * A value is "within grace" when it has expired and is still stored: Redis keeps it for `graceMs` longer. When a load fails,
 * such a value is answered too.
 *
 * The reads of one turn of the event loop go through the steps up to the lease as one batch, then each is loaded on its own,
 * and the values that are loaded in one turn are filled as one batch. A step is an async function of a batch and not of a
 * read: beside no cache a miss took 47 µs of this process and 34 µs of Redis when each step belonged to one read, and 29 and
 * 25 µs now (50 in flight, taking turns on a busy machine).
 *
 * The load does not begin before the lease is granted, although that would save a round trip: an invalidation between the
 * load and the lease would find no token to remove, and the fill would store the row from before the write.
 */
export class Reader<K, V> {
  readonly #options: ReaderOptions<K, V>
  readonly #tiers: Tiers
  readonly #reads: ReadsInFlight
  readonly #stats: NamespaceStats
  readonly #codec: Codec<V>
  readonly #lookUps: Batches<Read<K, V>>
  readonly #fills: Batches<Fill<K, V>>
  readonly #tokenPrefix = randomBytes(9).toString('base64url')
  #tokens = 0
  /** The last read of tier 2 found nothing, so the next one may miss too. */
  #expectMiss = false

  constructor(options: ReaderOptions<K, V>) {
    this.#options = options
    this.#tiers = options.tiers
    this.#reads = options.reads
    this.#stats = options.stats
    this.#codec = options.codec
    this.#lookUps = new Batches((reads) => this.#lookUp(reads, false))
    this.#fills = new Batches((fills) => this.#fill(fills))
  }

  /**
   * The read in flight that a new reader of the key may join. A change of the key would have been announced while the
   * tracking link of its owner is proven alive; without that proof, a read may be joined only within `joinMs` of its start.
   */
  joinable(key: string): Read<K, V> | undefined {
    const read = this.#reads.get<K, V>(key)
    if (read === undefined || !read.isCurrent) return undefined
    const now = performance.now()
    const isProven = now <= this.#tiers.proofOf(key).provenUntil
    return isProven || now - read.startedAt < this.#options.joinMs ? read : undefined
  }

  /**
   * Starts to read the keys below tier 1. Several keys are one batch, with one call of `loadMany`; a single one joins the
   * batch of this turn of the event loop.
   *
   * @returns the hits in the order of the keys
   */
  read(wanted: readonly { key: string; id: K }[], attempt = 1): Promise<Hit<V>>[] {
    const reads = wanted.map(({ key, id }) =>
      this.#reads.start<K, V>(key, id, attempt, this.#tiers.isTracked(key)),
    )
    const [first] = reads
    if (first === undefined) return []
    if (this.#tiers.shared === undefined) {
      if (reads.length > 1) void this.#work(reads, this.#bypass(reads))
      else this.#loadUnshared(first)
    } else if (reads.length > 1) void this.#lookUp(reads, true)
    // Not on a Cluster, where a read would wait for the owners of the other keys.
    else if (!this.#options.inBatches || this.#tiers.shared.topology.cluster) void this.#lookUp(reads, false)
    else {
      first.joinBatch()
      this.#lookUps.add(first)
    }
    return reads.map(({ promise }) => promise)
  }

  /** Awaits work on the reads. An error that the work does not handle is their outcome. */
  async #work(reads: readonly Read<K, V>[], work: Promise<void>): Promise<void> {
    try {
      await work
    } catch (error) {
      for (const read of reads) read.reject(error)
    }
  }

  /**
   * Looks the keys up in tier 2 and acquires the leases of the missing ones. Resolves when Redis has answered; the loads begin
   * then.
   *
   * @param together load all missing keys by one call of the loader
   */
  #lookUp(reads: readonly Read<K, V>[], together: boolean): Promise<void> {
    return this.#work(reads, this.#find(this.#tiers.shared as RedisSide, reads, together))
  }

  async #find(
    { generation, tier2 }: RedisSide,
    reads: readonly Read<K, V>[],
    together: boolean,
  ): Promise<void> {
    const known = generation.known() ?? (await generation.ask())
    if (known === undefined) return this.#bypassAll(reads, together)
    const server = generation.server()
    for (const read of reads) {
      read.generation = known
      read.server = server
    }
    // The script that acquires a lease also replies a stored value. When a miss is likely, this saves a round trip.
    if (this.#expectMiss && this.#options.leases) return this.#acquireLeases(reads, together)
    return this.#readTier2(tier2, reads, together)
  }

  async #readTier2(tier2: Tier2, reads: readonly Read<K, V>[], together: boolean): Promise<void> {
    const stored = await tier2.read(reads)
    const unavailable: Read<K, V>[] = []
    const missing: Read<K, V>[] = []
    for (let index = 0; index < reads.length; index++) {
      const read = reads[index] as Read<K, V>
      const bytes = stored[index]
      if (bytes === undefined) unavailable.push(read)
      else if (!this.#answerIfFresh(read, bytes)) missing.push(read)
    }
    if (unavailable.length > 0) this.#bypassAll(unavailable, together)
    if (missing.length > 0) await this.#acquireLeases(missing, together)
  }

  /**
   * Answers the read if the stored bytes are fresh.
   *
   * @returns whether the read is answered; if not, the read keeps the header of the bytes, and its lease is granted only for
   *   these bytes and not for newer ones
   */
  #answerIfFresh(read: Read<K, V>, bytes: Buffer | null): boolean {
    if (bytes === null || bytes.length === 0) {
      this.#expectMiss = true
      read.judge(undefined, undefined)
      return false
    }
    const envelope = unpack(bytes)
    if (envelope === undefined) return this.#discardDamaged(read, bytes)
    if (envelope.generation !== read.generation || this.#tiers.shared?.generation.server() !== read.server) {
      read.judge(headerOf(bytes), undefined)
      return false
    }
    const payload = envelope.negative ? undefined : envelope.payload
    const freshMs = tier1TtlMs(envelope.freshUntil, this.#tiers.redisNow(read.key), Math.random())
    const hit = new Hit('l2', payload, this.#codec.decode, freshMs === 0)
    if (!hit.isDecodable) return this.#discardDamaged(read, bytes)
    if (freshMs === 0) {
      read.judge(headerOf(bytes), envelope.negative ? undefined : hit)
      return false
    }
    this.#stats.hitsL2++
    this.#expectMiss = false
    this.#tiers.keepInTier1(read, payload, freshMs)
    read.resolve(hit)
    return true
  }

  #discardDamaged(read: Read<K, V>, bytes: Buffer): false {
    this.#stats.undecodable++
    read.judge(headerOf(bytes), undefined)
    return false
  }

  /** Tries once to acquire the lease of each read, and continues each read by the outcome. */
  async #acquireLeases(reads: readonly Read<K, V>[], together: boolean): Promise<void> {
    const outcomes = await this.#acquire(reads, false)
    const granted: Read<K, V>[] = []
    const unavailable: Read<K, V>[] = []
    for (let index = 0; index < reads.length; index++) {
      const read = reads[index] as Read<K, V>
      const outcome = outcomes[index]
      if (outcome === 'unavailable') unavailable.push(read)
      else if (outcome === 'held') void this.#work([read], this.#awaitHolder(read))
      else if (outcome === 'granted' && together && read.stale === undefined) granted.push(read)
      else if (outcome === 'granted') read.leaveBatch(() => this.#load(read))
    }
    if (unavailable.length > 0) this.#bypassAll(unavailable, together)
    if (granted.length > 0) void this.#work(granted, this.#loadTogether(granted))
  }

  /**
   * One attempt to acquire the leases of the keys, by one token for all of them. With leases switched off, every read is
   * granted.
   *
   * @param takeOver take the lease even from a holder whose lease has not expired
   * @param attempt 2 and more after replies with a value that is not the one that the read has judged
   */
  async #acquire(reads: readonly Read<K, V>[], takeOver: boolean, attempt = 1): Promise<LeaseOutcome[]> {
    const { leases, leaseMs } = this.#options
    if (!leases) return reads.map(() => 'granted')
    const { tier2 } = this.#tiers.shared as RedisSide
    const token = `${this.#tokenPrefix}${this.#tokens++}`
    // The reply may contain a value, which an invalidation that arrives meanwhile makes old.
    for (const read of reads) read.resume()
    const replies = await tier2.acquire(reads, { token, leaseMs, takeOver })
    const outcomes = reads.map((read, index) => this.#applyLeaseReply(read, token, replies[index]))
    for (let index = 0; index < reads.length; index++) {
      if (outcomes[index] !== 'changed') continue
      // A server whose every reply is another unusable value is none.
      outcomes[index] =
        attempt === MAX_ATTEMPTS
          ? 'unavailable'
          : ((await this.#acquire([reads[index] as Read<K, V>], takeOver, attempt + 1))[0] as LeaseOutcome)
    }
    return outcomes
  }

  #applyLeaseReply(read: Read<K, V>, token: string, reply: Acquired | undefined): LeaseOutcome {
    if (reply === undefined) return 'unavailable'
    // The stored bytes are not the ones that this read found before: another reader has filled meanwhile.
    if (reply.kind === 'value') return this.#answerIfFresh(read, reply.bytes) ? 'settled' : 'changed'
    // The expired value is no longer stored. An invalidation may have removed it, so it must not be answered.
    if (!reply.judgedIsThere) read.judge(undefined, undefined)
    this.#expectMiss = true
    if (reply.kind === 'granted') read.token = token
    else if (read.stale !== undefined) return this.#answerStale(read, read.stale)
    return reply.kind
  }

  /** Another process, or an older read of this process, is loading: polls until its value is stored or its lease has expired. */
  async #awaitHolder(read: Read<K, V>): Promise<void> {
    this.#stats.leaseWaits++
    const takeOverAt = performance.now() + this.#options.leaseMs
    for (let pauseMs = POLL_MIN_MS; ; pauseMs = Math.min(pauseMs * 1.5, POLL_MAX_MS)) {
      await read.pause(pauseMs)
      // A lease outlives any load. After the time of a whole lease several holders have failed in turn: take the lease over.
      const takesOver = performance.now() > takeOverAt
      const [outcome] = await this.#acquire([read], takesOver)
      if (outcome === 'settled') return
      if (outcome === 'granted') return read.leaveBatch(() => this.#load(read))
      // A server that refuses even to take a lease over does not keep to its script.
      if (outcome === 'unavailable' || takesOver) return this.#bypassAll([read], false)
    }
  }

  /** Loads the value of a read that holds the lease of its key. While an expired value can be answered, in the background. */
  #load(read: Read<K, V>): void {
    const { stale } = read
    if (stale === undefined) {
      this.#options.loader.one(read.id, (loaded) => this.#applyLoaded(read, loaded))
      return
    }
    const refresh = new Read<K, V>(read.key, read.id, read.attempt, this.#tiers.isTracked(read.key))
    refresh.generation = read.generation
    refresh.server = read.server
    refresh.token = read.token
    this.#load(refresh)
    this.#answerStale(read, stale)
  }

  /** Loads the values of reads that hold the lease of their key, by one call of the loader. */
  async #loadTogether(reads: readonly Read<K, V>[]): Promise<void> {
    const loaded = await this.#options.loader.many(reads.map(({ id }) => id))
    for (const [index, outcome] of loaded.entries()) this.#applyLoaded(reads[index] as Read<K, V>, outcome)
  }

  #applyLoaded(read: Read<K, V>, loaded: Loaded<V>): void {
    if (!loaded.ok) {
      void this.#work([read], this.#fail(read, loaded.error))
      return
    }
    try {
      this.#keep(read, loaded.value)
    } catch (error) {
      // The value cannot be encoded.
      read.reject(error)
    }
  }

  /** The loader failed: answers the expired value if it is within its grace, else rejects. */
  async #fail(read: Read<K, V>, error: unknown): Promise<void> {
    this.#release(read)
    const { stale } = read
    if (stale !== undefined && (await this.#isStillStored(read))) this.#answerStale(read, stale)
    else read.reject(error)
  }

  /**
   * Puts the loaded value on its way to tier 2, which stores it unless a write has removed the token of the lease.
   *
   * Tier 1 is not filled here. Redis announces the fill to this process too, before it replies, and this announcement looks
   * the same as one of another process's write. So the next read fills tier 1 from tier 2: the fill and that read take
   * 21–40 µs together (16 in flight). With NOLOOP Redis would not announce the fill, which alone takes 9–14 µs. But NOLOOP needs
   * tracking to be on for the connection that fills, and a PING on the tracking link would not prove that it still is.
   */
  #keep(read: Read<K, V>, value: V | undefined): void {
    const { ttlMs, graceMs, negativeTtlMs, inBatches } = this.#options
    const negative = value === undefined
    const payload = negative ? NOTHING : this.#codec.encode(value)
    this.#stats.misses++
    this.#tiers.tier1?.delete(read.key)
    const hit = new Hit('miss', negative ? undefined : payload, this.#codec.decode, false, value)
    if (negative && negativeTtlMs === 0) {
      this.#release(read)
      read.resolve(hit)
      return
    }
    const { key, token, generation, context } = read
    const freshMs = jittered(negative ? negativeTtlMs : ttlMs, Math.random())
    const bytes = pack({ negative, freshUntil: this.#tiers.redisNow(key) + freshMs, generation, payload })
    const storedMs = storedForMs(freshMs, negative ? 0 : graceMs)
    const fill = { read, hit, key, token, bytes, storedMs, context }
    if (inBatches) this.#fills.add(fill)
    else void this.#fill([fill])
  }

  /**
   * Stores loaded values and answers their reads. A store that fails does not fail the read: its value was loaded and can be
   * answered. A fill that Redis executes after the time limit is still refused if its token is no longer current.
   */
  async #fill(fills: readonly Fill<K, V>[]): Promise<void> {
    const { tier2 } = this.#tiers.shared as RedisSide
    const filled = this.#options.leases
      ? await tier2.fill(fills)
      : await Promise.all(
          fills.map(({ key, bytes, storedMs }) =>
            tier2.store(key, bytes, storedMs).then(
              () => true,
              () => true,
            ),
          ),
        )
    for (let index = 0; index < fills.length; index++) {
      const { read, hit } = fills[index] as Fill<K, V>
      if (filled[index]) read.resolve(hit)
      else {
        // The token is no longer current: the loaded value may be older than a write.
        this.#stats.refusedFills++
        this.#readAgain(read, hit)
      }
    }
  }

  #bypassAll(reads: readonly Read<K, V>[], together: boolean): void {
    if (together) void this.#work(reads, this.#bypass(reads))
    else for (const read of reads) read.leaveBatch(() => void this.#work([read], this.#bypass([read])))
  }

  /** {@link #bypass} of one read of a namespace without tier 2, without the promises that several reads need. */
  #loadUnshared(read: Read<K, V>): void {
    this.#options.loader.one(read.id, (loaded) => {
      try {
        this.#answerBypassed(read, loaded)
      } catch (error) {
        read.reject(error)
      }
    })
  }

  /** Loads without a lease: the namespace has tier 1 only, or Redis cannot be used. No value is stored in tier 2. */
  async #bypass(reads: readonly Read<K, V>[]): Promise<void> {
    const loaded = await this.#options.loader.many(reads.map(({ id }) => id))
    if (this.#tiers.shared !== undefined) await this.#removeFromTier2(this.#tiers.shared, reads)
    for (const [index, read] of reads.entries()) this.#answerBypassed(read, loaded[index] as Loaded<V>)
  }

  #answerBypassed(read: Read<K, V>, loaded: Loaded<V>): void {
    if (loaded.ok) this.#answerLoaded(read, loaded.value)
    else read.reject(loaded.error)
  }

  /**
   * A read that bypassed tier 2 may return the outcome of a write whose invalidation has not reached Redis yet. A later read
   * from tier 2 could then return the version before that write. So the stored values are removed, except where the outbox
   * will be drained before tier 2 is read again (`drainAhead`). If a removal fails, distrusting the node forces such a drain.
   */
  async #removeFromTier2(
    { generation, topology, tier2 }: RedisSide,
    reads: readonly Read<K, V>[],
  ): Promise<void> {
    if (generation.drainAhead) return
    const readable = reads
      .map(({ key }) => key)
      .filter((key) => !(topology.findOwner(key)?.drainAhead ?? true))
    if (readable.length === 0) return
    const { applied } = await tier2.invalidate(readable, REMOVAL_TIMEOUT_MS)
    if (applied.length === readable.length) return
    for (const key of readable) if (!applied.includes(key)) topology.findOwner(key)?.distrust()
  }

  /** Answers a read that bypassed tier 2. Tier 1 keeps the value only in a namespace that has no tier 2. */
  #answerLoaded(read: Read<K, V>, value: V | undefined): void {
    const { ttlMs, negativeTtlMs } = this.#options
    const payload = value === undefined ? undefined : this.#codec.encode(value)
    const isKept = this.#tiers.shared === undefined && this.#tiers.tier1 !== undefined && read.tracked
    if (isKept) this.#stats.misses++
    else this.#stats.off++
    const keepMs = value === undefined ? negativeTtlMs : ttlMs
    if (isKept && keepMs > 0) this.#tiers.keepInTier1(read, payload, jittered(keepMs, Math.random()))
    else this.#tiers.tier1?.delete(read.key)
    const hit = new Hit(isKept ? 'miss' : 'off', payload, this.#codec.decode, false, value)
    if (read.state === 'invalidated') this.#readAgain(read, hit)
    else read.resolve(hit)
  }

  /** The loaded value is older than an invalidation received during the load. The last attempt answers it all the same. */
  #readAgain(read: Read<K, V>, found: Hit<V>): void {
    const { key, id, attempt } = read
    const [again] = attempt < MAX_ATTEMPTS ? this.read([{ key, id }], attempt + 1) : []
    read.resolve(again ?? found)
  }

  #answerStale(read: Read<K, V>, stale: Hit<V>): 'settled' {
    this.#stats.staleServed++
    read.resolve(stale)
    return 'settled'
  }

  /** Grace is for expired values, never for a value that was invalidated while the read was in flight. */
  async #isStillStored({ key, server, judged, context }: Read<K, V>): Promise<boolean> {
    const [bytes] = (await this.#tiers.shared?.tier2.read([{ key, context }])) ?? []
    if (this.#tiers.shared?.generation.server() !== server) return false
    return bytes != null && judged !== undefined && headerOf(bytes).equals(judged)
  }

  /**
   * Stores a value that did not come from the loader.
   *
   * @returns false when it is not stored: Redis did not accept it, or the namespace has tier 1 only and Redis, where other
   *   processes may hold the value in their own tier 1
   */
  async store(key: string, id: K, value: V): Promise<boolean> {
    this.#tiers.tier1?.delete(key)
    this.#reads.invalidate(key)
    const payload = this.#codec.encode(value)
    const freshMs = jittered(this.#options.ttlMs, Math.random())
    // Without Redis there is no announcement to miss, so the value counts as tracked.
    if (this.#tiers.redis === undefined)
      this.#tiers.keepInTier1(new Read<K, V>(key, id, 1, true), payload, freshMs)
    if (this.#tiers.shared === undefined) return this.#tiers.redis === undefined
    const generation = this.#tiers.shared.generation.known() ?? (await this.#tiers.shared.generation.ask())
    if (generation === undefined) return false
    const bytes = pack({
      negative: false,
      freshUntil: this.#tiers.redisNow(key) + freshMs,
      generation,
      payload,
    })
    return this.#tiers.shared.tier2.store(key, bytes, storedForMs(freshMs, this.#options.graceMs)).then(
      () => true,
      () => false,
    )
  }

  /** Gives the lease back after a load that failed or found nothing to keep, so that the next reader can load at once. */
  #release({ key, token }: Read<K, V>): void {
    if (this.#options.leases) this.#tiers.shared?.tier2.release(key, token).catch(() => {})
  }
}
