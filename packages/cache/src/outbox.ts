import { performance } from 'node:perf_hooks'
import { delay } from '@reference/async'
import type { Logger } from './logger.ts'
import type { OutboxRow, OutboxStore } from './outbox-store.ts'
import type { Removed } from './removal.ts'

/** The keys that a write has changed: removed from the cache of this process, or left to the outbox. */
export interface Delivery {
  delivered: string[]
  undelivered: string[]
}

/** The cache of this process, as its outbox sees it. */
export interface DeliveryTarget {
  /** Under which the rows name it; undefined without Redis, and while it is not known. */
  readonly id: string | undefined
  /** One attempt to remove the keys. */
  remove(keys: readonly string[], limitMs: number): Promise<Removed>
}

interface OutboxOptions {
  store: OutboxStore | undefined
  timeoutMs: number
  logger: Logger | undefined
}

const REMOVE_FOR_MS = 250
const RETRY_AFTER_MS = 15
const BATCH = 500
const CLEAR_EVERY_MS = 100
/** The poller leaves younger rows to their writer, which is still delivering them. */
const POLL_MIN_AGE_MS = 300

/**
 * Transactional outbox (C. Richardson, "Microservices Patterns", 2018, section 3.3.7), for invalidations. Rows are cleared
 * once the cache that they name has acknowledged the removal of their key.
 */
export class Outbox {
  readonly #store: OutboxStore | undefined
  readonly #timeoutMs: number
  readonly #logger: Logger | undefined
  #done: OutboxRow['id'][] = []
  #clearing: NodeJS.Timeout | undefined

  constructor({ store, timeoutMs, logger }: OutboxOptions) {
    this.#store = store
    this.#timeoutMs = timeoutMs
    this.#logger = logger
  }

  /** Removes the keys, trying for up to 250 ms. */
  async remove(target: DeliveryTarget, wanted: readonly string[]): Promise<Delivery> {
    const keys = [...new Set(wanted)]
    const left = new Set(keys)
    const until = performance.now() + REMOVE_FOR_MS
    while (left.size > 0) {
      const limitMs = Math.min(this.#timeoutMs, until - performance.now())
      if (limitMs <= 0) break
      const { acknowledged } = await target.remove([...left], limitMs)
      for (const key of acknowledged) left.delete(key)
      if (left.size > 0) await delay(RETRY_AFTER_MS)
    }
    return { delivered: keys.filter((key) => !left.has(key)), undelivered: [...left] }
  }

  /** {@link remove} right after the commit, and clears the rows of the removed keys. The poller delivers the other rows. */
  async deliver(
    target: DeliveryTarget,
    keys: readonly string[],
    rows: readonly OutboxRow[],
  ): Promise<Delivery> {
    const { id } = target
    const delivery = await this.remove(target, keys)
    // Rows of other caches are for the processes that are connected to these.
    if (target.id === id) {
      this.#clear(rows.filter(({ cache, key }) => cache === id && !delivery.undelivered.includes(key)))
    }
    return delivery
  }

  /** Delivers the rows that their writer has left. */
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
   * Applies every row that there is now for the keys that `isOwned` accepts.
   *
   * @throws when a row could not be applied
   */
  async drain(target: DeliveryTarget, isOwned: (key: string) => boolean): Promise<void> {
    if (this.#store === undefined) return
    const { id } = target
    if (id === undefined) throw new Error('the cache is not known yet')
    // Rows that are applied but not acknowledged stay in the store: tier 2 may be read, but the rows may not be cleared.
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
    clearTimeout(this.#clearing)
    await this.#clearDone()
  }

  /** @returns the rows whose keys were removed; clears the rows whose removal was acknowledged too */
  async #apply(target: DeliveryTarget, id: string, rows: readonly OutboxRow[]): Promise<OutboxRow[]> {
    const keys = [...new Set(rows.map(({ key }) => key))]
    const removed = await target.remove(keys, this.#timeoutMs)
    if (target.id !== id) throw new Error('another cache is connected')
    const [applied, acknowledged] = [new Set(removed.applied), new Set(removed.acknowledged)]
    this.#clear(rows.filter(({ key }) => acknowledged.has(key)))
    await this.#clearDone()
    return rows.filter(({ key }) => applied.has(key))
  }

  #clear(rows: readonly OutboxRow[]): void {
    if (this.#store === undefined || rows.length === 0) return
    this.#done.push(...rows.map(({ id }) => id))
    if (this.#done.length >= BATCH) void this.#clearDone()
    else this.#clearing ??= setTimeout(() => this.#clearDone(), CLEAR_EVERY_MS)
  }

  async #clearDone(): Promise<void> {
    clearTimeout(this.#clearing)
    this.#clearing = undefined
    const ids = this.#done
    this.#done = []
    if (ids.length === 0) return
    await this.#store
      ?.remove(ids)
      .catch((error: unknown) =>
        this.#logger?.warn({ err: error }, 'cache: delivered outbox rows could not be removed'),
      )
  }
}
