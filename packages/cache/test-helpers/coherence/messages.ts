import type { RedisTarget, Safeguard } from '../../src/index.ts'

/** What a process of the coherence test is told. */
export type WorkerOrders = {
  /** `reader`: reads and writes for the whole run. `doomed`: commits one write and dies before its invalidation. */
  role: 'reader' | 'doomed'
  databaseUrl: string
  redis: RedisTarget
  without: Safeguard[]
  /** 1 to `keys` are kept in both tiers, the next `localKeys` in tier 1 alone. */
  keys: number
  localKeys: number
  seconds: number
}

/** `[key, version, startedAt, endedAt]`, on the machine's monotonic clock in milliseconds. */
export type ReadRecord = [key: number, version: number, startedAt: number, endedAt: number]

/** A write that was answered at `at`, or in a doomed process committed; `delivered`: its invalidation had reached Redis. */
export type WriteRecord = { key: number; version: number; at: number; delivered: boolean }

export type WorkerMessage =
  | { kind: 'ready' }
  | { kind: 'written'; write: WriteRecord }
  | { kind: 'committed'; write: WriteRecord }
  | { kind: 'done'; reads: ReadRecord[]; from: Record<string, number>; failures: string[]; stats: object }
