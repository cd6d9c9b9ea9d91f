import { delay, settlesWithin } from '@reference/async'
import type { Connection } from './connection.ts'

/** A query of postgres.js, with what it does not declare. */
export type Query = PromiseLike<unknown> & {
  active?: boolean
  canceller?: ((query: Query) => Promise<void>) | null
}

const CANCEL_MS = 5000
const RETRY_MS = 25

/** Cancels the statements in flight in the server when the signal aborts. Must be closed. */
export function cancelOnAbort(signal: AbortSignal | undefined): CancelOnAbort | undefined {
  return signal && new CancelOnAbort(signal)
}

export class CancelOnAbort {
  readonly #signal: AbortSignal
  readonly #inFlight = new Map<Query, Connection>()
  readonly #cancels: Promise<void>[] = []

  constructor(signal: AbortSignal) {
    this.#signal = signal
    signal.addEventListener('abort', this.#onAbort, { once: true })
  }

  sent(query: PromiseLike<unknown>, connection: Connection): void {
    this.#inFlight.set(query as Query, connection)
  }

  answered(query: PromiseLike<unknown>): void {
    this.#inFlight.delete(query as Query)
  }

  /** Resolves when no cancel is in flight: it names a session, and could otherwise stop the next statement there. */
  async close(): Promise<void> {
    this.#signal.removeEventListener('abort', this.#onAbort)
    await Promise.all(this.#cancels)
  }

  readonly #onAbort = () => {
    for (const [query, connection] of this.#inFlight) this.#cancels.push(cancelQuery(connection, query))
  }
}

/**
 * Asks the server to stop a statement, until the statement has settled and no cancel is in flight.
 *
 * Not `query.cancel()`: it hides its promise, so an unavailable server ends the process with an unhandled rejection, and it
 * leaves a client stuck whose statement still connects. The request is repeated, because the server ignores a cancel that
 * arrives between Parse and Bind.
 */
async function cancelQuery(connection: Connection, query: Query): Promise<void> {
  let isSettled = false
  const settle = () => {
    isSettled = true
  }
  const settled = Promise.resolve(query).then(settle, settle)
  // A server that does not even act on a cancel does not get the statement's whole time limit.
  connection.watch.hurry(CANCEL_MS)
  while (!isSettled) {
    if (query.active && query.canceller) {
      const requested = query.canceller(query).catch(() => {})
      // A request that connects has a time limit. A connection that was given up is no reason to wait for it: the session that
      // the request names is gone.
      const isMoot = settled.then(() =>
        connection.lost === undefined ? delay(CANCEL_MS, { ref: false }) : undefined,
      )
      await Promise.race([requested, isMoot])
    }
    await settlesWithin(settled, RETRY_MS)
  }
}
