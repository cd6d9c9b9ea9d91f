import { performance } from 'node:perf_hooks'
import { delay } from '@reference/async'
import type { Logger } from './logger.ts'
import type { OutboxRow, OutboxStore } from './outbox-store.ts'
import type { Removed } from './removal.ts'

/**
 * The outcome of a delivery. `delivered`: Redis has removed these keys and acknowledged it. `undelivered`: this is not certain
 * after 250 ms; the poller delivers the keys that have outbox rows.
 */
export interface Delivery {
  delivered: string[]
  undelivered: string[]
}

/** The cache from which this process removes keys: its Redis, or none. */
export interface DeliveryTarget {
  /** The id by which outbox rows name the cache; undefined without Redis, and while it is not known. */
  readonly id: string | undefined
  /** One attempt to remove the keys. */
  remove(keys: readonly string[], limitMs: number): Promise<Removed>
}

interface OutboxOptions {
  store: OutboxStore | undefined
  timeoutMs: number
  logger: Logger | undefined
}

/** How long the writer of a key tries to remove it. */
const REMOVE_FOR_MS = 250
const RETRY_AFTER_MS = 15
const BATCH = 500
/** Rows are cleared in batches, at the latest after this time. */
const CLEAR_EVERY_MS = 100
/** The poller skips younger rows: their writer is still delivering them. */
const POLL_MIN_AGE_MS = 300

/**
 * Transactional outbox (C. Richardson, "Microservices Patterns", 2018, section 3.3.7), for invalidations. A row is cleared
 * (deleted from the store) once the cache that it names has acknowledged the removal of its key.
 */
export class Outbox {
  readonly #store: OutboxStore | undefined
  readonly #timeoutMs: number
  readonly #logger: Logger | undefined
  #toClear: OutboxRow['id'][] = []
  #clearTimer: NodeJS.Timeout | undefined

  constructor({ store, timeoutMs, logger }: OutboxOptions) {
    this.#store = store
    this.#timeoutMs = timeoutMs
    this.#logger = logger
  }

  /** Removes the keys from the target, and tries again for up to 250 ms. */
  async remove(target: DeliveryTarget, wanted: readonly string[]): Promise<Delivery> {
    const keys = [...new Set(wanted)]
    const left = new Set(keys)
    const endAt = performance.now() + REMOVE_FOR_MS
    while (left.size > 0) {
      const limitMs = Math.min(this.#timeoutMs, endAt - performance.now())
      if (limitMs <= 0) break
      const { acknowledged } = await target.remove([...left], limitMs)
      for (const key of acknowledged) left.delete(key)
      if (left.size > 0) await delay(RETRY_AFTER_MS)
    }
    return { delivered: keys.filter((key) => !left.has(key)), undelivered: [...left] }
  }

  /** {@link remove} after a commit. Clears the rows of the removed keys; the poller delivers the other rows. */
  async deliver(
    target: DeliveryTarget,
    keys: readonly string[],
    rows: readonly OutboxRow[],
  ): Promise<Delivery> {
    const { id } = target
    const delivery = await this.remove(target, keys)
    // Only processes that are connected to another cache can clear its rows. If the id has changed meanwhile, it is not certain
    // which cache has removed the keys.
    if (target.id === id) {
      this.#clearSoon(rows.filter(({ cache, key }) => cache === id && !delivery.undelivered.includes(key)))
    }
    return delivery
  }

  /** Delivers the rows that their writers could not deliver: batch by batch, until one is not full or not applied as a whole. */
  async deliverLeft(target: DeliveryTarget, signal: AbortSignal): Promise<void> {
    for (let isFull = true; isFull && !signal.aborted && this.#store !== undefined; ) {
      const { id } = target
      if (id === undefined) return
      const rows = await this.#store.take(id, BATCH, POLL_MIN_AGE_MS)
      const applied = rows.length === 0 ? [] : await this.#apply(target, id, rows)
      isFull = rows.length === BATCH && applied.length === BATCH
    }
  }

  /**
   * Applies every present row whose key `isOwned` accepts. Afterwards tier 2 holds no value that is older than these rows.
   *
   * @throws when a row could not be applied, or when rows for other nodes fill the batch
   */
  async drain(target: DeliveryTarget, isOwned: (key: string) => boolean): Promise<void> {
    if (this.#store === undefined) return
    const { id } = target
    if (id === undefined) throw new Error('the cache is not known yet')
    // An applied row without an acknowledgement stays in the store: tier 2 may be read, but the row may not be cleared. Such rows
    // are taken again each time, so the limit grows by their number.
    const applied = new Set<OutboxRow['id']>()
    for (;;) {
      const limit = BATCH + applied.size
      const taken = await this.#store.take(id, limit, 0)
      const rows = taken.filter((row) => isOwned(row.key) && !applied.has(row.id))
      if (rows.length > 0) for (const row of await this.#apply(target, id, rows)) applied.add(row.id)
      if (rows.some((row) => !applied.has(row.id))) throw new Error('the outbox could not be drained')
      if (taken.length < limit) return
      if (rows.length === 0) throw new Error('the outbox holds too much for other nodes')
    }
  }

  async close(): Promise<void> {
    clearTimeout(this.#clearTimer)
    await this.#clearNow()
  }

  /**
   * Removes the keys of the rows, and clears the rows whose removal was acknowledged.
   *
   * @returns the rows whose keys were removed
   */
  async #apply(target: DeliveryTarget, id: string, rows: readonly OutboxRow[]): Promise<OutboxRow[]> {
    const keys = [...new Set(rows.map(({ key }) => key))]
    const removed = await target.remove(keys, this.#timeoutMs)
    if (target.id !== id) throw new Error('another cache is connected')
    const [applied, acknowledged] = [new Set(removed.applied), new Set(removed.acknowledged)]
    this.#clearSoon(rows.filter(({ key }) => acknowledged.has(key)))
    await this.#clearNow()
    return rows.filter(({ key }) => applied.has(key))
  }

  /** Clears the rows with the next batch. */
  #clearSoon(rows: readonly OutboxRow[]): void {
    if (this.#store === undefined || rows.length === 0) return
    this.#toClear.push(...rows.map(({ id }) => id))
    if (this.#toClear.length >= BATCH) void this.#clearNow()
    else this.#clearTimer ??= setTimeout(() => this.#clearNow(), CLEAR_EVERY_MS)
  }

  async #clearNow(): Promise<void> {
    clearTimeout(this.#clearTimer)
    this.#clearTimer = undefined
    const ids = this.#toClear
    this.#toClear = []
    if (ids.length === 0) return
    await this.#store
      ?.remove(ids)
      .catch((error: unknown) =>
        this.#logger?.warn({ err: error }, 'cache: delivered outbox rows could not be removed'),
      )
  }
}
