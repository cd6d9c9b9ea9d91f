/** A row that a write has inserted into the outbox in its own transaction: one per key and registered cache. */
export interface OutboxRow {
  id: string | number
  key: string
  cache: string
}

/**
 * Keeps the keys of committed writes until their invalidation has reached every cache that holds rows of the database. It
 * lies in the database itself: every writer knows the database, and the database knows which caches are registered.
 */
export interface OutboxStore {
  /** The oldest rows of a cache that are at least `minAgeMs` old, up to `limit`. Ignoring the age only repeats some work. */
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
  /** Removes expired registrations, and the rows of caches that are not registered. */
  expire(signal: AbortSignal): Promise<void>
}

export interface OutboxStatus {
  /** Rows that have not been removed yet. With a write every 100 ms there is always one. */
  count: number
  /** Age of the oldest row, 0 when there is none. It tells a stuck row from rows in passing. */
  oldestSeconds: number
}
