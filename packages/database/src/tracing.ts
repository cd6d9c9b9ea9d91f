import { channel } from 'node:diagnostics_channel'

/** What a subscriber to `reference:database.statement` is told before one is sent. It sets `end` to hear how it ended. */
export interface TracedStatement {
  readonly statement: string
  readonly pool: string
  readonly text: string
  /** When it was sent, in ms since 1970; absent: now. */
  readonly startedAt?: number
  /** `endedAt` in ms since 1970; absent: now. */
  end(error?: unknown, endedAt?: number): void
}

/** A statement that a worker thread has sent over connections of its own: plain data, to go along with its answer. */
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

/**
 * Undefined when nobody listened as the pool was made: then a statement pays nothing.
 *
 * @param record takes statements instead, in a thread that has nobody to tell
 */
export function createTracing(
  pool: string,
  record?: (statement: StatementRecord) => void,
): BeginStatement | undefined {
  if (record !== undefined) return (statement, text) => recorded({ statement, pool, text }, record)
  const statements = channel('reference:database.statement')
  if (!statements.hasSubscribers) return undefined
  return (statement, text) => {
    const traced: TracedStatement = { statement, pool, text, end: () => {} }
    statements.publish(traced)
    return traced
  }
}

function recorded(
  said: { statement: string; pool: string; text: string },
  record: (statement: StatementRecord) => void,
): TracedStatement {
  const startedAt = now()
  return {
    ...said,
    end(error) {
      const { name, code } = Object(error)
      record({ ...said, startedAt, endedAt: now(), ...(error !== undefined && { error: { name, code } }) })
    },
  }
}

/** Tells whoever listens of statements that a thread has recorded, as children of what the caller does now. */
export function traceRecords(records: readonly StatementRecord[]): void {
  const statements = channel('reference:database.statement')
  if (!statements.hasSubscribers) return
  for (const { error, endedAt, ...said } of records) {
    const traced: TracedStatement = { ...said, end: () => {} }
    statements.publish(traced)
    traced.end(error, endedAt)
  }
}

/** Threads of a process agree on it to the microsecond; `Date.now()` has whole milliseconds. */
function now(): number {
  return performance.timeOrigin + performance.now()
}
