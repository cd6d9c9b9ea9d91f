import { Batch, type Leaving } from './batch.ts'
import { TransientSet } from './transient-set.ts'

export interface BatcherOptions<Key, Item> {
  /**
   * Loads the items of 1 to `maxKeys` different keys, in any order. A key without an item has none.
   *
   * @param signal aborts when the last caller of the batch has left
   */
  readonly load: (keys: readonly Key[], signal: AbortSignal) => Promise<readonly Item[]>
  /** The key that an item belongs to. */
  readonly keyOf: (item: Item) => Key
  readonly maxKeys: number
  /** Batches in flight. */
  readonly maxInFlight: number
  /** How long a caller may wait for its batch to start, while `maxInFlight` batches are in flight. Checked every `CHECK_MS`. */
  readonly timeoutMs: number
  /** The error of a caller that waited too long. */
  readonly timeoutError: () => unknown
  /** Whether one key of a batch may have caused this error. Then each key of the batch is loaded alone. */
  readonly isErrorOfKey: (error: unknown) => boolean
}

/**
 * How often the batches that have no answer yet are checked: for callers that have waited too long, and for signals.
 *
 * Only a caller that has called this long ago has its signal read and a listener added. Most batches are answered sooner, and a signal
 * that is created when it is read, with its listener, is a tenth of the CPU time of an uncached user (50 callers, both cache tiers off,
 * medians of 8 interleaved slices: 165 µs a request without and 184 µs with them).
 */
const CHECK_MS = 100

/**
 * Loads keys together that callers ask for one by one.
 *
 * - Keys that are asked for in one turn of the event loop form a batch, which starts when the turn has read its sockets. While
 *   nothing is in flight, it starts with the keys of one callback. While `maxInFlight` batches are in flight, the keys that arrive
 *   form the next one.
 * - A batch takes no callers after it has started. So it starts after each of its callers has called, and no caller gets an item
 *   that is older than its own last write.
 * - Callers of the same key in a batch share its item.
 * - A caller leaves when its signal aborts. A batch is aborted when its last caller has left. Signals are read late, see `CHECK_MS`.
 * - An error of a batch reaches its callers and no others.
 */
export class Batcher<Key, Item> {
  readonly #options: BatcherOptions<Key, Item>
  /** Batches that wait to start, oldest first. The newest takes callers until it is full. */
  readonly #waiting: Batch<Key, Item>[] = []
  readonly #inFlight = new TransientSet<Batch<Key, Item>>()
  #isStarting = false
  #checking: NodeJS.Timeout | undefined

  constructor(options: BatcherOptions<Key, Item>) {
    this.#options = options
  }

  /**
   * @param leaving its signal makes the caller leave. It is read at the earliest after `CHECK_MS`, at the latest after twice that time
   * @returns the item of the key, or undefined if it has none
   * @throws what `load` throws; `timeoutError`; the signal's reason
   */
  load(key: Key, leaving?: Leaving): Promise<Item | undefined> {
    const newest = this.#waiting.at(-1)
    const isOpen = newest !== undefined && (newest.size < this.#options.maxKeys || newest.has(key))
    return (isOpen ? newest : this.#addBatch()).add(key, leaving)
  }

  #addBatch(): Batch<Key, Item> {
    const batch = new Batch<Key, Item>(this.#remove)
    this.#waiting.push(batch)
    // Such a start has the context of this caller, whose trace the batch belongs to. Others have that of another one.
    if (!this.#startSoon()) batch.keepContext()
    this.#checkSoon()
    return batch
  }

  /**
   * At once while nothing is in flight, so that a lone call loses no turn; else when the turn has read its sockets.
   *
   * @returns false when batches start anyway: a start is due, or the next one follows the end of a batch
   */
  #startSoon(): boolean {
    if (this.#isStarting || this.#inFlight.size >= this.#options.maxInFlight) return false
    this.#isStarting = true
    if (this.#inFlight.size === 0) queueMicrotask(this.#start)
    else setImmediate(this.#start)
    return true
  }

  readonly #start = (): void => {
    this.#isStarting = false
    while (this.#inFlight.size < this.#options.maxInFlight) {
      const batch = this.#waiting.shift()
      if (batch === undefined) return
      this.#inFlight.add(batch)
      void batch.inContext(() => this.#run(batch))
    }
  }

  async #run(batch: Batch<Key, Item>): Promise<void> {
    const { keys, signal } = batch.start()
    try {
      await this.#settle(batch, keys, signal)
    } catch (error) {
      if (keys.length === 1 || signal.aborted || !this.#options.isErrorOfKey(error)) {
        for (const key of keys) batch.reject(key, error)
      } else {
        await Promise.all(keys.map((key) => this.#settleAlone(batch, key, signal)))
      }
    }
    this.#inFlight.delete(batch)
    if (this.#waiting.length > 0) this.#startSoon()
  }

  /** Loads keys and answers their callers. @throws what `load` throws; no caller is answered then */
  async #settle(batch: Batch<Key, Item>, keys: readonly Key[], signal: AbortSignal): Promise<void> {
    const { load, keyOf } = this.#options
    const items = await load(keys, signal)
    for (const item of items) batch.resolve(keyOf(item), item)
    for (const key of keys) batch.resolve(key, undefined)
  }

  async #settleAlone(batch: Batch<Key, Item>, key: Key, signal: AbortSignal): Promise<void> {
    try {
      await this.#settle(batch, [key], signal)
    } catch (error) {
      batch.reject(key, error)
    }
  }

  /** All callers of a waiting batch have left. */
  readonly #remove = (batch: Batch<Key, Item>): void => {
    const index = this.#waiting.indexOf(batch)
    if (index !== -1) this.#waiting.splice(index, 1)
  }

  /** Runs while a caller has no answer. */
  #checkSoon(): void {
    this.#checking ??= setTimeout(this.#check, Math.min(CHECK_MS, this.#options.timeoutMs))
  }

  readonly #check = (): void => {
    const { timeoutMs, timeoutError } = this.#options
    this.#checking = undefined
    const now = performance.now()
    for (const batch of [...this.#waiting]) batch.rejectCallersUntil(now - timeoutMs, timeoutError)
    for (const batch of [...this.#waiting, ...this.#inFlight]) batch.watchCallersUntil(now - CHECK_MS)
    const hasCallers = [...this.#waiting, ...this.#inFlight].some(({ size }) => size > 0)
    if (hasCallers) this.#checkSoon()
  }
}
