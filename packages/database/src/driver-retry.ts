import type postgres from 'postgres'

/**
 * Turns off the retry of postgres.js 3.4, for every client of this process.
 *
 * When the server refuses a prepared statement as stale (0A000, 26000), postgres.js prepares and sends it again on the same
 * connection at once. But it asks for the types of the new statement first, and meanwhile goes on writing the statements that
 * are pipelined behind: their answers are then taken for those of the retried one, and the connection never finds back into
 * step (`pipeline.test.ts`: calls without an answer until the connection is given up). The pool repeats such statements
 * itself, see `repeat.ts`.
 *
 * postgres.js retries a query whose `prepared` is set. It needs that only while it writes the query, which is one run of the
 * event loop; so from then on the query does not have it any more.
 */
export function turnOffDriverRetry(client: postgres.Sql): void {
  // A query is sent when it is awaited, and this one never is.
  const prototype: object = Object.getPrototypeOf(client.unsafe(''))
  if (Object.hasOwn(prototype, 'prepared')) return
  Object.defineProperty(prototype, 'prepared', {
    get(this: Written) {
      return this[isWriting]
    },
    set(this: Written, prepared: unknown) {
      this[isWriting] = prepared
      if (prepared) queueMicrotask(() => forget(this))
    },
  })
}

const isWriting = Symbol('prepared')

type Written = { [isWriting]?: unknown }

function forget(query: Written): void {
  query[isWriting] = false
}
