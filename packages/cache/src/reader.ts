import { randomBytes } from 'node:crypto'
import { performance } from 'node:perf_hooks'
import type { Codec } from './codec.ts'
import { headerOf, pack, unpack } from './envelope.ts'
import { Hit } from './hit.ts'
import type { Loaded } from './loader.ts'
import { Read, type ReadsInFlight } from './read.ts'
import type { NamespaceStats } from './stats.ts'
import type { LeaseReply, Tier2 } from './tier2.ts'
import type { RedisSide, Tiers } from './tiers.ts'
import { jittered, storedForMs, tier1TtlMs } from './ttl.ts'

interface ReaderOptions<K, V> {
  tiers: Tiers
  leases: boolean
  /** For how long after its start a read may be joined when no tracking link proves that its value is current. */
  joinMs: number
  reads: ReadsInFlight
  stats: NamespaceStats
  codec: Codec<V>
  load: (ids: readonly K[]) => Promise<Loaded<V>[]>
  ttlMs: number
  graceMs: number
  negativeTtlMs: number
  leaseMs: number
}

/**
 * - `settled`: the read is answered, with a value that another reader stored meanwhile, or with an expired value that another
 *   reader is refreshing.
 * - `granted`: this read holds the lease and has to load.
 * - `held`: another reader holds the lease, and there is no expired value to answer.
 * - `unavailable`: the owner of the key cannot be used.
 */
type LeaseOutcome = 'settled' | 'granted' | 'held' | 'unavailable'

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
 *                     └─ missing, expired or damaged → acquireLease
 *                           ├─ stored by another reader ───────→ answered
 *                           ├─ granted ──→ load → fill ────────→ answered, or read again if a write removed the lease
 *                           ├─ granted, value within grace ────→ answered; refresh in the background
 *                           ├─ held, value within grace ───────→ answered; the holder refreshes
 *                           ├─ held ─────→ awaitHolder → acquireLease …
 *                           └─ unavailable ────────────────────→ bypass
 * ```
 *
 * A value is "within grace" when it has expired and is still stored: Redis keeps it for `graceMs` longer. When a load fails,
 * such a value is answered too.
 */
export class Reader<K, V> {
  readonly #options: ReaderOptions<K, V>
  readonly #tiers: Tiers
  readonly #reads: ReadsInFlight
  readonly #stats: NamespaceStats
  readonly #codec: Codec<V>
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

  /** Starts to read the keys as one batch, below tier 1. @returns the hits in the order of the keys */
  read(wanted: readonly { key: string; id: K }[], attempt = 1): Promise<Hit<V>>[] {
    const reads = wanted.map(({ key, id }) =>
      this.#reads.start<K, V>(key, id, attempt, this.#tiers.isTracked(key)),
    )
    this.#run(reads).catch((error: unknown) => {
      for (const read of reads) read.reject(error)
    })
    return reads.map(({ promise }) => promise)
  }

  async #run(reads: readonly Read<K, V>[]): Promise<void> {
    const shared = this.#tiers.shared
    if (shared === undefined) return this.#bypass(reads)
    const generation = shared.generation.known() ?? (await shared.generation.ask())
    if (generation === undefined) return this.#bypass(reads)
    const server = shared.generation.server()
    for (const read of reads) {
      read.generation = generation
      read.server = server
    }
    // The script that acquires a lease also replies a stored value. When a miss is likely, this saves a round trip.
    if (this.#expectMiss && this.#options.leases) return this.#acquireLeases(reads)
    return this.#readTier2(shared.tier2, reads)
  }

  async #readTier2(tier2: Tier2, reads: readonly Read<K, V>[]): Promise<void> {
    const stored = await tier2.read(reads.map(({ key }) => key))
    const unavailable: Read<K, V>[] = []
    const missing: Read<K, V>[] = []
    for (const [index, read] of reads.entries()) {
      const bytes = stored[index]
      if (bytes === undefined) unavailable.push(read)
      else if (!this.#answerIfFresh(read, bytes)) missing.push(read)
    }
    if (unavailable.length > 0) await Promise.all([this.#bypass(unavailable), this.#acquireLeases(missing)])
    else if (missing.length > 0) await this.#acquireLeases(missing)
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
  async #acquireLeases(reads: readonly Read<K, V>[]): Promise<void> {
    const outcomes = await Promise.all(reads.map((read) => this.#acquireLease(read, false)))
    const granted: Read<K, V>[] = []
    const unavailable: Read<K, V>[] = []
    const work: Promise<void>[] = []
    for (const [index, read] of reads.entries()) {
      const outcome = outcomes[index]
      if (outcome === 'unavailable') unavailable.push(read)
      else if (outcome === 'held') work.push(this.#awaitHolder(read))
      else if (outcome === 'granted' && read.stale !== undefined) this.#refresh(read, read.stale)
      else if (outcome === 'granted') granted.push(read)
    }
    if (unavailable.length > 0) work.push(this.#bypass(unavailable))
    if (granted.length > 0) work.push(this.#load(granted))
    await Promise.all(work)
  }

  /**
   * One attempt to acquire the lease of a key. With leases switched off, every read is granted.
   *
   * @param takeOver take the lease even from a holder whose lease has not expired
   */
  async #acquireLease(read: Read<K, V>, takeOver: boolean): Promise<LeaseOutcome> {
    const { leases, leaseMs } = this.#options
    if (this.#tiers.shared === undefined || !leases) return 'granted'
    const { tier2 } = this.#tiers.shared
    const token = `${this.#tokenPrefix}${this.#tokens++}`
    // The reply may contain a value, which an invalidation that arrives meanwhile makes old.
    read.resume()
    for (;;) {
      const request = { key: read.key, token, leaseMs, judged: read.judged, takeOver }
      const reply = await tier2.acquire(request).catch(() => undefined)
      if (reply === undefined) return 'unavailable'
      if (reply.kind !== 'value') return this.#applyLeaseReply(read, token, reply)
      // The stored bytes are not the ones that this read found before: another reader has filled meanwhile.
      if (this.#answerIfFresh(read, reply.bytes)) return 'settled'
    }
  }

  #applyLeaseReply(read: Read<K, V>, token: string, reply: LeaseReply): LeaseOutcome {
    if (reply.otherType) this.#stats.undecodable++
    // The expired value is no longer stored. An invalidation may have removed it, so it must not be answered.
    if (!reply.judgedIsThere) read.judge(undefined, undefined)
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
      const outcome = await this.#acquireLease(read, performance.now() > takeOverAt)
      if (outcome === 'settled') return
      if (outcome === 'unavailable') return this.#bypass([read])
      if (outcome === 'granted') return this.#load([read])
    }
  }

  /** Stale-while-revalidate: answers the expired value, and loads the new one in the background under the lease. */
  #refresh(read: Read<K, V>, stale: Hit<V>): void {
    const refresh = new Read<K, V>(read.key, read.id, read.attempt, this.#tiers.isTracked(read.key))
    refresh.generation = read.generation
    refresh.server = read.server
    refresh.token = read.token
    this.#load([refresh]).catch((error: unknown) => refresh.reject(error))
    this.#answerStale(read, stale)
  }

  /** Loads the values of reads that hold the lease of their key, in one call of the loader, and stores them in tier 2. */
  async #load(reads: readonly Read<K, V>[]): Promise<void> {
    const loaded = await this.#options.load(reads.map(({ id }) => id))
    await Promise.all(
      reads.map((read, index) => {
        const outcome = loaded[index]
        return outcome?.ok ? this.#fill(read, outcome.value) : this.#fail(read, outcome?.error)
      }),
    )
  }

  /** The loader failed: answers the expired value if it is within its grace, else rejects. */
  async #fail(read: Read<K, V>, error: unknown): Promise<void> {
    this.#release(read)
    const { stale } = read
    if (stale !== undefined && (await this.#isStillStored(read))) this.#answerStale(read, stale)
    else read.reject(error)
  }

  /**
   * Stores the loaded value in tier 2 unless a write has removed the token of the lease, and answers the read.
   *
   * Tier 1 is not filled here. Redis announces the fill to this process too, before it replies, and this announcement looks
   * the same as one of another process's write. So the next read fills tier 1 from tier 2: the fill and that read take
   * 21–40 µs together (16 in flight). With NOLOOP Redis would not announce the fill, which alone takes 9–14 µs. But NOLOOP needs
   * tracking to be on for the connection that fills, and a PING on the tracking link would not prove that it still is.
   */
  async #fill(read: Read<K, V>, value: V | undefined): Promise<void> {
    const { ttlMs, negativeTtlMs } = this.#options
    const payload = value === undefined ? NOTHING : this.#codec.encode(value)
    this.#stats.misses++
    this.#tiers.tier1?.delete(read.key)
    const hit = new Hit('miss', value === undefined ? undefined : payload, this.#codec.decode, false, value)
    if (value === undefined && negativeTtlMs === 0) this.#release(read)
    else {
      const freshMs = jittered(value === undefined ? negativeTtlMs : ttlMs, Math.random())
      if (!(await this.#storeLoaded(read, value === undefined, payload, freshMs))) {
        this.#stats.refusedFills++
        return this.#readAgain(read, hit)
      }
    }
    read.resolve(hit)
  }

  /**
   * A store that fails does not fail the read: its value was loaded and can be answered. A fill that Redis executes after
   * the time limit is still refused if its token is no longer current.
   *
   * @returns false when the token is no longer current: the loaded value may be older than a write
   */
  #storeLoaded(read: Read<K, V>, negative: boolean, payload: Buffer, freshMs: number): Promise<boolean> {
    const { tier2 } = this.#tiers.shared as RedisSide
    const { key, token, generation } = read
    const bytes = pack({ negative, freshUntil: this.#tiers.redisNow(key) + freshMs, generation, payload })
    const storedMs = storedForMs(freshMs, negative ? 0 : this.#options.graceMs)
    if (this.#options.leases) return tier2.fill({ key, token, bytes, storedMs }).catch(() => true)
    return tier2.store(key, bytes, storedMs).then(
      () => true,
      () => true,
    )
  }

  /** Loads without a lease: the namespace has tier 1 only, or Redis cannot be used. No value is stored in tier 2. */
  async #bypass(reads: readonly Read<K, V>[]): Promise<void> {
    const loaded = await this.#options.load(reads.map(({ id }) => id))
    if (this.#tiers.shared !== undefined) await this.#removeFromTier2(this.#tiers.shared, reads)
    for (const [index, read] of reads.entries()) {
      const outcome = loaded[index]
      if (outcome?.ok) this.#answerLoaded(read, outcome.value)
      else read.reject(outcome?.error)
    }
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
  async #isStillStored({ key, server, judged }: Read<K, V>): Promise<boolean> {
    const [bytes] = (await this.#tiers.shared?.tier2.read([key])) ?? []
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
