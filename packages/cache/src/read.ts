import { performance } from 'node:perf_hooks'
import type { Hit } from './hit.ts'

/**
 * What a read in flight holds, and what an invalidation of its key means for it:
 *
 * | state | the read | an invalidation of its key |
 * |---|---|---|
 * | `loading` | holds a value or awaits one | makes the value old: `invalidated` |
 * | `waiting` | waits for the value of another lease holder | ends the pause early |
 * | `unproven` | may have missed a change: no reader joins it, and its value stays out of tier 1 | as in `loading` |
 * | `invalidated` | its value is older than a known write | – |
 */
type ReadState = 'loading' | 'waiting' | 'unproven' | 'invalidated'

/** One read of one key below tier 1, which all readers of this process share. */
export class Read<K, V> {
  readonly key: string
  readonly id: K
  /** 1, or more when an earlier read of the key loaded a value that a write had made old. */
  readonly attempt: number
  /** Every change of the value since before it was read has been announced to this process: tier 1 may keep it. */
  readonly tracked: boolean
  readonly startedAt = performance.now()
  readonly promise: Promise<Hit<V>>
  /** Generation of the namespace, and the identity of the server that it was read from. */
  generation = ''
  server = ''
  /** Token of the lease that this read holds. */
  token = ''
  /** Header of the bytes in tier 2 that were expired or damaged. */
  judged: Buffer | undefined
  /** The value of those bytes, when it may still be answered within its grace. */
  stale: Hit<V> | undefined
  readonly #inFlight: ReadsInFlight | undefined
  readonly #resolve: (outcome: Hit<V> | Promise<Hit<V>>) => void
  readonly #reject: (error: unknown) => void
  #state: ReadState = 'loading'
  #wake: (() => void) | undefined

  /** @param inFlight where the read is found by other readers; undefined for a refresh in the background */
  constructor(key: string, id: K, attempt: number, tracked: boolean, inFlight?: ReadsInFlight) {
    const { promise, resolve, reject } = Promise.withResolvers<Hit<V>>()
    this.key = key
    this.id = id
    this.attempt = attempt
    this.tracked = tracked
    this.promise = promise
    this.#resolve = resolve
    this.#reject = reject
    this.#inFlight = inFlight
  }

  get state(): ReadState {
    return this.#state
  }

  /** No change of the key has been announced or missed since the read began. */
  get isCurrent(): boolean {
    return this.#state === 'loading' || this.#state === 'waiting'
  }

  /** Tier 2 was read; its bytes are kept as judged, with the value that grace allows. */
  judge(header: Buffer | undefined, stale: Hit<V> | undefined): void {
    this.judged = header
    this.stale = stale
  }

  /** Ends early when a change of the key is announced: usually the fill that this read waits for. */
  pause(ms: number): Promise<void> {
    if (this.#state === 'loading') this.#state = 'waiting'
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, ms)
      this.#wake = () => {
        clearTimeout(timer)
        resolve()
      }
    })
  }

  resume(): void {
    if (this.#state === 'waiting') this.#state = 'loading'
  }

  /** @returns false while the read holds no value that the change could make old */
  invalidate(): boolean {
    this.#wake?.()
    if (this.#state === 'waiting') return false
    this.#state = 'invalidated'
    return true
  }

  markUnproven(): void {
    if (this.#state !== 'invalidated') this.#state = 'unproven'
  }

  resolve(outcome: Hit<V> | Promise<Hit<V>>): void {
    this.#inFlight?.end(this.key, this)
    this.#resolve(outcome)
  }

  reject(error: unknown): void {
    this.#inFlight?.end(this.key, this)
    // No reader waits for a refresh in the background.
    this.promise.catch(() => {})
    this.#reject(error)
  }
}

/** What invalidations need of a read, whatever its types. */
type AnyRead = Pick<Read<unknown, unknown>, 'key' | 'invalidate' | 'markUnproven'>

/**
 * The reads in flight of this process, by key: one map for all namespaces, since invalidations come by key. A key belongs to
 * one namespace, so to one type of value.
 */
export class ReadsInFlight {
  readonly #byKey = new Map<string, AnyRead>()

  get<K, V>(key: string): Read<K, V> | undefined {
    return this.#byKey.get(key) as Read<K, V> | undefined
  }

  /** Replaces an older read of the key, whose value may then be older than this one's. */
  start<K, V>(key: string, id: K, attempt: number, tracked: boolean): Read<K, V> {
    const read = new Read<K, V>(key, id, attempt, tracked, this)
    this.#byKey.get(key)?.markUnproven()
    this.#byKey.set(key, read)
    return read
  }

  end(key: string, read: AnyRead): void {
    if (this.#byKey.get(key) === read) this.#byKey.delete(key)
  }

  /** The key has changed: a reader that comes from now on starts a new read. */
  invalidate(key: string): void {
    if (this.#byKey.get(key)?.invalidate()) this.#byKey.delete(key)
  }

  /** A whole namespace has changed, or invalidations may have been missed. The reads answer only the callers that they have. */
  markUnproven(prefix = ''): void {
    for (const read of this.#byKey.values()) if (read.key.startsWith(prefix)) read.markUnproven()
  }
}
