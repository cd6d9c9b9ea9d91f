import { channel } from 'node:diagnostics_channel'

/** What a subscriber to `reference:database.statement` is told before one is sent. It sets `end` to hear how it ended. */
export interface TracedStatement {
  readonly statement: string
  readonly pool: string
  readonly text: string
  end(error?: unknown): void
}

export type BeginStatement = (statement: string, text: string) => TracedStatement

/** Undefined when nobody listened as the pool was made: then a statement pays nothing. */
export function createTracing(pool: string): BeginStatement | undefined {
  const statements = channel('reference:database.statement')
  if (!statements.hasSubscribers) return undefined
  return (statement, text) => {
    const traced: TracedStatement = { statement, pool, text, end: () => {} }
    statements.publish(traced)
    return traced
  }
}
