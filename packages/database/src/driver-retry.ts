import type postgres from 'postgres'

/**
 * Turns off the retry of postgres.js 3.4, for every client of this process.
 *
 * When the server refuses a prepared statement as stale (0A000, 26000), postgres.js prepares and sends it again on the same
 * connection at once. But first it asks for the types of the new statement, and meanwhile it still writes the statements
 * that are pipelined behind. Their answers are taken for the answers of the retried statement, and the connection stays out of
 * step: calls without an answer until the connection is given up (`pipeline.test.ts`). The pool repeats such statements itself,
 * see `repeat.ts`.
 *
 * postgres.js retries a query whose `prepared` is set. It needs `prepared` only while it writes the query, within one turn of
 * the event loop; after that the query loses it.
 */
export function turnOffDriverRetry(client: postgres.Sql): void {
  // A query is sent when it is awaited, and this one never is.
  const prototype: object = Object.getPrototypeOf(client.unsafe(''))
  if (Object.hasOwn(prototype, 'prepared')) return
  Object.defineProperty(prototype, 'prepared', {
    get(this: WrittenQuery) {
      return this[PREPARED]
    },
    set(this: WrittenQuery, prepared: unknown) {
      this[PREPARED] = prepared
      if (prepared) queueMicrotask(() => forget(this))
    },
  })
}

const PREPARED = Symbol('prepared')

interface WrittenQuery {
  [PREPARED]?: unknown
}

function forget(query: WrittenQuery): void {
  query[PREPARED] = false
}
