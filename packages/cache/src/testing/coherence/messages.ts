import type { RedisTarget } from '../../index.ts'
import type { Safeguard } from '../../safeguards.ts'

/** Arguments of a process of the coherence test. */
export interface WorkerOrders {
  databaseUrl: string
  redis: RedisTarget
  without: Safeguard[]
  seconds: number
}

/** `[key, version, startedAt, endedAt]`, on the machine's monotonic clock in milliseconds. */
export type ReadRecord = [key: number, version: number, startedAt: number, endedAt: number]

/** A write that was answered at `at`, or committed by a doomed process; `delivered`: its invalidation had reached Redis. */
export interface WriteRecord {
  key: number
  version: number
  at: number
  delivered: boolean
}

export type WorkerMessage =
  | { kind: 'ready' }
  | { kind: 'written'; write: WriteRecord }
  | { kind: 'done'; reads: ReadRecord[]; from: Record<string, number>; failures: string[]; stats: object }

export function sendToParent(message: WorkerMessage): Promise<void> {
  return new Promise((resolve) => process.send?.(message, undefined, undefined, () => resolve()))
}
