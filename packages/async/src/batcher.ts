import { Batch } from './batch.ts'

export interface BatcherOptions<Key, Item> {
  /**
   * Loads the items of 1 to `maxKeys` different keys, in any order. A key without an item has none.
   *
   * @param signal aborts when the last caller of the batch has left; undefined if one of them cannot leave
   */
  readonly load: (keys: readonly Key[], signal: AbortSignal | undefined) => Promise<readonly Item[]>
  /** The key that an item belongs to. */
  readonly keyOf: (item: Item) => Key
  readonly maxKeys: number
  /** Batches in flight. */
  readonly maxInFlight: number
  /** How long a caller may wait for its batch to start, while `maxInFlight` batches are in flight. */
  readonly timeoutMs: number
  /** The error of a caller that waited too long. */
  readonly timeoutError: () => unknown
  /** Whether one key of a batch may have caused this error. Then each key of the batch is loaded alone. */
  readonly isErrorOfKey: (error: unknown) => boolean
}

/**
 * Loads keys together that callers ask for one by one.
 *
 * - Keys that are asked for in one turn of the event loop form a batch, which starts when the turn has read its sockets. While
 *   `maxInFlight` batches are in flight, the keys that arrive form the next one.
 * - A batch takes no callers after it has started. So it starts after each of its callers has called, and no caller gets an item
 *   that is older than its own last write.
 * - Callers of the same key in a batch share its item.
 * - A caller leaves when its signal aborts. A batch is aborted when its last caller has left.
 * - An error of a batch reaches its callers and no others.
 */
export class Batcher<Key, Item> {
  readonly #options: BatcherOptions<Key, Item>
  /** Batches that wait to start, oldest first. The newest takes callers until it is full. */
  readonly #waiting: Batch<Key, Item>[] = []
  #inFlight = 0
  #starting: NodeJS.Immediate | undefined
  #timer: NodeJS.Timeout | undefined

  constructor(options: BatcherOptions<Key, Item>) {
    this.#options = options
  }

  /**
   * @returns the item of the key, or undefined if it has none
   * @throws what `load` throws; `timeoutError`; the signal's reason
   */
  load(key: Key, signal?: AbortSignal): Promise<Item | undefined> {
    if (signal?.aborted) return Promise.reject(signal.reason)
    const newest = this.#waiting.at(-1)
    const isOpen = newest !== undefined && (newest.size < this.#options.maxKeys || newest.has(key))
    return (isOpen ? newest : this.#addBatch()).add(key, signal)
  }

  #addBatch(): Batch<Key, Item> {
    const batch = new Batch<Key, Item>(this.#remove)
    this.#waiting.push(batch)
    if (this.#inFlight < this.#options.maxInFlight) this.#starting ??= setImmediate(this.#start)
    else this.#setTimer()
    return batch
  }

  readonly #start = (): void => {
    this.#starting = undefined
    while (this.#inFlight < this.#options.maxInFlight) {
      const batch = this.#waiting.shift()
      if (batch === undefined) break
      this.#inFlight++
      void batch.inContext(() => this.#run(batch))
    }
    this.#setTimer()
  }

  async #run(batch: Batch<Key, Item>): Promise<void> {
    const { keys, signal } = batch.start()
    try {
      await this.#settle(batch, keys, signal)
    } catch (error) {
      if (keys.length === 1 || signal?.aborted || !this.#options.isErrorOfKey(error)) {
        for (const key of keys) batch.reject(key, error)
      } else {
        await Promise.all(keys.map((key) => this.#settleAlone(batch, key, signal)))
      }
    }
    this.#inFlight--
    if (this.#waiting.length > 0) this.#starting ??= setImmediate(this.#start)
  }

  /** Loads keys and answers their callers. @throws what `load` throws; no caller is answered then */
  async #settle(
    batch: Batch<Key, Item>,
    keys: readonly Key[],
    signal: AbortSignal | undefined,
  ): Promise<void> {
    const { load, keyOf } = this.#options
    const items = await load(keys, signal)
    for (const item of items) batch.resolve(keyOf(item), item)
    for (const key of keys) batch.resolve(key, undefined)
  }

  async #settleAlone(batch: Batch<Key, Item>, key: Key, signal: AbortSignal | undefined): Promise<void> {
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
    this.#setTimer()
  }

  /** Runs while batches wait. */
  #setTimer(delayMs = this.#options.timeoutMs): void {
    if (this.#waiting.length > 0) this.#timer ??= setTimeout(this.#expire, delayMs)
    else {
      clearTimeout(this.#timer)
      this.#timer = undefined
    }
  }

  readonly #expire = (): void => {
    const { timeoutMs, timeoutError } = this.#options
    this.#timer = undefined
    const now = performance.now()
    const firsts = [...this.#waiting].map((batch) => batch.rejectCallersUntil(now - timeoutMs, timeoutError))
    const first = Math.min(...firsts.filter((calledAt) => calledAt !== undefined))
    // Rejecting callers may have set the timer.
    clearTimeout(this.#timer)
    this.#timer = undefined
    if (this.#waiting.length > 0) this.#setTimer(Math.max(1, first + timeoutMs - now))
  }
}
