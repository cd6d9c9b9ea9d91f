import { channel } from 'node:diagnostics_channel'

/** A statement as it is published to `reference:database.statement` before it is sent. A subscriber replaces `end`. */
export interface TracedStatement {
  readonly statement: string
  readonly pool: string
  readonly text: string
  /** When it was sent, in ms since 1970. Default: now. */
  readonly startedAt?: number
  /** @param endedAt in ms since 1970. Default: now */
  end(error?: unknown, endedAt?: number): void
}

/** A statement that a worker thread has sent over its own connections: plain data, returned with the thread's result. */
export interface StatementRecord {
  readonly statement: string
  readonly pool: string
  readonly text: string
  /** In ms since 1970. */
  readonly startedAt: number
  readonly endedAt: number
  /** Name and code of the error that it ended with. */
  readonly error?: { readonly name: unknown; readonly code: unknown }
}

export type BeginStatement = (statement: string, text: string) => TracedStatement

const CHANNEL = 'reference:database.statement'

/**
 * @param record receives the statements instead of the channel, in a worker thread, which has no subscriber
 * @returns undefined without a subscriber when the pool is made: then a statement pays nothing
 */
export function createTracing(
  pool: string,
  record?: (statement: StatementRecord) => void,
): BeginStatement | undefined {
  if (record !== undefined) return (statement, text) => recorded({ statement, pool, text }, record)
  const statements = channel(CHANNEL)
  if (!statements.hasSubscribers) return undefined
  return (statement, text) => {
    const traced: TracedStatement = { statement, pool, text, end: () => {} }
    statements.publish(traced)
    return traced
  }
}

function recorded(
  sent: { statement: string; pool: string; text: string },
  record: (statement: StatementRecord) => void,
): TracedStatement {
  const startedAt = now()
  return {
    ...sent,
    end(error) {
      const { name, code } = Object(error)
      record({ ...sent, startedAt, endedAt: now(), ...(error !== undefined && { error: { name, code } }) })
    },
  }
}

/** Publishes statements that a worker thread has recorded, as children of the caller's current span. */
export function traceRecords(records: readonly StatementRecord[]): void {
  const statements = channel(CHANNEL)
  if (!statements.hasSubscribers) return
  for (const { error, endedAt, ...sent } of records) {
    const traced: TracedStatement = { ...sent, end: () => {} }
    statements.publish(traced)
    traced.end(error, endedAt)
  }
}

/** The threads of a process agree on this clock to the microsecond; `Date.now()` has whole milliseconds. */
function now(): number {
  return performance.timeOrigin + performance.now()
}
