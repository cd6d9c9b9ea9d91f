import { performance } from 'node:perf_hooks'
import { delay } from './limit.ts'
import type { Logger } from './options.ts'
import type { Invalidated } from './tier2.ts'

/** A row that a write has put into the outbox in its own transaction: one a key for each registered cache. */
export type OutboxRow = { id: string | number; key: string; cache: string }

/**
 * Where the keys of committed writes are kept until their invalidation has reached every cache that holds rows of the
 * database: the database itself, which all of its writers know, and also what caches there are.
 */
export type OutboxStore = {
  /** The oldest rows of a cache that are at least `minAgeMs` old, up to `limit`. A store that ignores the age only repeats some work. */
  take(cache: string, limit: number, minAgeMs: number): Promise<readonly OutboxRow[]>
  remove(ids: readonly OutboxRow['id'][]): Promise<unknown>
  /** For the metrics: the rows of one cache. */
  status?(cache: string): Promise<OutboxStatus>
  /**
   * Makes writes insert rows for a new cache, for `keepMs` unless it is touched. Resolves only once every transaction that
   * may have written without seeing the registration has ended.
   */
  register(cache: string, keepMs: number, signal: AbortSignal): Promise<void>
  /** Keeps a cache registered for `keepMs` from now on. False when it is not registered (any more). */
  touch(cache: string, keepMs: number): Promise<boolean>
  /** Removes registrations that have expired, and rows that no registered cache will take. */
  expire(signal: AbortSignal): Promise<void>
}

export type OutboxStatus = {
  /** Rows that wait to be removed; of a write each 100 ms there is always one. */
  count: number
  /** Age of the oldest, 0 when there is none: what tells one that is stuck from those that come and go. */
  oldestSeconds: number
}

export type Delivery = { delivered: string[]; undelivered: string[] }

export type Outbox = {
  /** Right after the commit: tries for up to 250 ms. What is undelivered then is left to the poller. */
  deliver(keys: readonly string[], rows: readonly OutboxRow[]): Promise<Delivery>
  /** Applies every row that there is now for the keys that `owned` accepts. */
  drain(owned: (key: string) => boolean): Promise<void>
  close(): Promise<void>
}

type OutboxOptions = {
  store: OutboxStore | undefined
  /** The cache whose rows this process delivers; undefined without one, and while it is not known. */
  cacheId: () => string | undefined
  invalidate: (keys: readonly string[], limitMs: number) => Promise<Invalidated>
  timeoutMs: number
  pollMs: number
  /** The database did not answer. */
  onStoreFailure: () => void
  logger: Logger | undefined
}

const DELIVER_FOR_MS = 250
const RETRY_AFTER_MS = 15
const BATCH = 500
const REMOVE_EVERY_MS = 100
/** The poller leaves rows alone that their writer is still busy with. */
const POLL_MIN_AGE_MS = 300

/** Transactional outbox (C. Richardson, "Microservices Patterns", 2018, section 3.3.7), for invalidations. */
export function createOutbox(options: OutboxOptions): Outbox {
  const { store, cacheId, invalidate, timeoutMs, pollMs, onStoreFailure, logger } = options
  let done: OutboxRow['id'][] = []
  let removal: NodeJS.Timeout | undefined
  let closed = false
  let poll = store && setTimeout(pollOnce, pollMs)
  let polling: Promise<void> = Promise.resolve()

  return {
    async deliver(wanted, rows) {
      const keys = [...new Set(wanted)]
      const left = new Set(keys)
      const id = cacheId()
      const until = performance.now() + DELIVER_FOR_MS
      while (left.size > 0) {
        const limitMs = Math.min(timeoutMs, until - performance.now())
        if (limitMs <= 0) break
        const { acknowledged } = await invalidate([...left], limitMs)
        for (const key of acknowledged) left.delete(key)
        if (left.size > 0) await delay(RETRY_AFTER_MS)
      }
      // Rows of other caches are for processes that are connected to those.
      if (cacheId() === id) markDone(rows.filter((row) => row.cache === id && !left.has(row.key)))
      return { delivered: keys.filter((key) => !left.has(key)), undelivered: [...left] }
    },

    async drain(owned) {
      if (store === undefined) return
      const id = cacheId()
      if (id === undefined) throw new Error('the cache is not known yet')
      // Rows that are applied but not acknowledged stay in the store: enough for reading here, not for forgetting them.
      const applied = new Set<OutboxRow['id']>()
      for (;;) {
        const limit = BATCH + applied.size
        const taken = await store.take(id, limit, 0)
        const rows = taken.filter((row) => owned(row.key) && !applied.has(row.id))
        if (rows.length > 0) for (const row of await apply(id, rows)) applied.add(row.id)
        if (rows.some((row) => !applied.has(row.id))) throw new Error('the outbox could not be drained')
        if (taken.length < limit) return
        if (rows.length === 0) throw new Error('the outbox holds too much for other nodes')
      }
    },

    async close() {
      closed = true
      clearTimeout(poll)
      await polling
      clearTimeout(removal)
      await removeDone()
    },
  }

  function pollOnce() {
    polling = deliverLeft()
      .catch((error: unknown) => {
        logger?.warn({ err: error }, 'cache: the outbox could not be read')
        onStoreFailure()
      })
      .finally(() => {
        if (!closed) poll = setTimeout(pollOnce, pollMs * (0.8 + 0.4 * Math.random()))
      })
  }

  async function deliverLeft() {
    for (let full = true; full && !closed && store !== undefined; ) {
      const id = cacheId()
      if (id === undefined) return
      const rows = await store.take(id, BATCH, POLL_MIN_AGE_MS)
      const applied = rows.length === 0 ? [] : await apply(id, rows)
      full = rows.length === BATCH && applied.length === BATCH
    }
  }

  /** Replies the rows that were applied, and removes those that were acknowledged too. */
  async function apply(id: string, rows: readonly OutboxRow[]): Promise<OutboxRow[]> {
    const { applied, acknowledged } = await invalidate([...new Set(rows.map((row) => row.key))], timeoutMs)
    if (cacheId() !== id) throw new Error('another cache is connected')
    const ends = new Set(acknowledged)
    markDone(rows.filter((row) => ends.has(row.key)))
    await removeDone()
    const reached = new Set(applied)
    return rows.filter((row) => reached.has(row.key))
  }

  function markDone(rows: readonly OutboxRow[]) {
    if (store === undefined || rows.length === 0) return
    done.push(...rows.map((row) => row.id))
    if (done.length >= BATCH) void removeDone()
    else removal ??= setTimeout(removeDone, REMOVE_EVERY_MS)
  }

  async function removeDone() {
    clearTimeout(removal)
    removal = undefined
    const ids = done
    done = []
    if (ids.length === 0 || store === undefined) return
    await store
      .remove(ids)
      .catch((error: unknown) =>
        logger?.warn({ err: error }, 'cache: delivered outbox rows could not be removed'),
      )
  }
}
