import { performance } from 'node:perf_hooks'
import { TransientMap } from '@reference/async'
import type { Hit } from './hit.ts'
import { tracedContext } from './tracing.ts'

/**
 * The state of a read in flight, and the effect of an invalidation of its key:
 *
 * | state | the read | an invalidation of its key |
 * |---|---|---|
 * | `loading` | holds a value, or awaits one from Redis or the loader | makes the value old: `invalidated` |
 * | `waiting` | pauses while another reader holds the lease | ends the pause early: the holder may have filled |
 * | `unproven` | may have missed a change: no reader joins it, and tier 1 does not keep its value | as in `loading` |
 * | `invalidated` | its value is older than a known write | none |
 */
type ReadState = 'loading' | 'waiting' | 'unproven' | 'invalidated'

/** One read of one key below tier 1. Several callers of this process may share it. */
export class Read<K, V> {
  readonly key: string
  readonly id: K
  /** 1 for the first; the next attempt begins when a write made the loaded value old. */
  readonly attempt: number
  /** The tracking links were proven when the read began. Every later change is announced, so tier 1 may keep the value. */
  readonly tracked: boolean
  readonly startedAt = performance.now()
  readonly promise: Promise<Hit<V>>
  /** Generation of the namespace when the read began; '' when tier 2 is not used. */
  generation = ''
  /** Identity of the server from which the generation was read; '' when unknown or not used. */
  server = ''
  /** Token of the lease that this read holds; '' without a lease. */
  token = ''
  /** Header of the bytes that this read found in tier 2 and judged expired or damaged. */
  judged: Buffer | undefined
  /** The expired value in those bytes, if it may still be answered within its grace. */
  stale: Hit<V> | undefined
  /** The async context of the caller, for tracing. */
  readonly context = tracedContext()
  readonly #inFlight: ReadsInFlight | undefined
  readonly #resolve: (outcome: Hit<V> | Promise<Hit<V>>) => void
  readonly #reject: (error: unknown) => void
  #state: ReadState = 'loading'
  #endPause: (() => void) | undefined
  #continue: ((step: () => void) => void) | undefined

  /** @param inFlight the registry in which other readers find this read; undefined for a refresh in the background */
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

  /** Remembers what tier 2 held: the header of bytes that are not fresh, and their value if it is within its grace. */
  judge(header: Buffer | undefined, stale: Hit<V> | undefined): void {
    this.judged = header
    this.stale = stale
  }

  /** The read joins a batch: what follows the batch must run in the async context of this caller, and not of the batch. */
  joinBatch(): void {
    new Promise<() => void>((resolve) => {
      this.#continue = resolve
    }).then((step) => step())
  }

  /** Runs the step that follows the batch, such as the call of the loader. Once a read. */
  leaveBatch(step: () => void): void {
    if (this.#continue === undefined) step()
    else this.#continue(step)
  }

  /** Waits for this time. Ends early when a change of the key is announced: usually the fill that this read waits for. */
  pause(ms: number): Promise<void> {
    if (this.#state === 'loading') this.#state = 'waiting'
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, ms)
      this.#endPause = () => {
        clearTimeout(timer)
        resolve()
      }
    })
  }

  /** The next reply may contain a value. */
  resume(): void {
    if (this.#state === 'waiting') this.#state = 'loading'
  }

  /** The key has changed. @returns false while the read holds no value that the change could make old */
  invalidate(): boolean {
    this.#endPause?.()
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
    // A refresh in the background has no reader: unhandled, its rejection would end the process.
    this.promise.catch(() => {})
    this.#reject(error)
  }
}

/** The part of a read that does not depend on the types of its key and value. */
type AnyRead = Pick<Read<unknown, unknown>, 'key' | 'invalidate' | 'markUnproven'>

/**
 * The reads in flight of this process, by key: one map for all namespaces, since invalidations come by key. A key belongs to
 * one namespace, so to one type of value.
 */
export class ReadsInFlight {
  readonly #byKey = new TransientMap<string, AnyRead>()

  get<K, V>(key: string): Read<K, V> | undefined {
    return this.#byKey.get(key) as Read<K, V> | undefined
  }

  /** Starts a read. An older read of the key in flight is replaced: its value may be older than the new one. */
  start<K, V>(key: string, id: K, attempt: number, tracked: boolean): Read<K, V> {
    const read = new Read<K, V>(key, id, attempt, tracked, this)
    this.#byKey.get(key)?.markUnproven()
    this.#byKey.set(key, read)
    return read
  }

  end(key: string, read: AnyRead): void {
    if (this.#byKey.get(key) === read) this.#byKey.delete(key)
  }

  /** The key has changed: the next reader starts a new read. */
  invalidate(key: string): void {
    if (this.#byKey.get(key)?.invalidate()) this.#byKey.delete(key)
  }

  /** A whole namespace has changed, or invalidations may have been missed: no later reader joins these reads. */
  markUnproven(prefix = ''): void {
    for (const read of this.#byKey.values()) if (read.key.startsWith(prefix)) read.markUnproven()
  }
}
