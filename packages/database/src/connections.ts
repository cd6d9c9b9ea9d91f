import { postgresServer } from '@reference/postgres'
import { type Connection, type ConnectionOptions, createConnection } from './connection.ts'
import { isBrokenConnection, isLostConnection, isReadOnlyServer } from './errors.ts'
import { Reachability } from './reachability.ts'
import { isForgottenStatement } from './repeat.ts'
import { createWatchdog, type Watchdog } from './watchdog.ts'

/** How long statements in flight may take to finish when their connection is closed. */
export const CLOSE_TIMEOUT_MS = 5000

/** After this silence a new connection shows whether the server is slow or gone, and must be answered within the same time. */
const QUIET_MS = 2000

export interface ConnectionsEvents {
  /** A connection was silent for longer than it may be. */
  readonly onAbandoned: (() => void) | undefined
  /** The server answers no new connection either. */
  readonly onUnreachable: (error: Error) => void
  readonly onOpened: (index: number) => void
  readonly onClosed: (index: number) => void
}

/** The connections of a pool by their number. Each is created when it is first used, and again after it was dropped. */
export class Connections {
  readonly #current = new Map<number, Connection>()
  readonly #ending = new Set<Promise<void>>()
  readonly #options: ConnectionOptions
  readonly #silenceMs: number
  readonly #watchdog: Watchdog
  readonly #events: ConnectionsEvents
  readonly #quietMs: number
  readonly #reachability: Reachability

  /**
   * @param silenceMs how long a connection that owes an answer may be silent
   */
  constructor(options: ConnectionOptions, silenceMs: number, events: ConnectionsEvents) {
    this.#options = options
    this.#silenceMs = silenceMs
    this.#quietMs = Math.min(QUIET_MS, silenceMs / 4)
    this.#events = events
    this.#reachability = new Reachability({
      server: postgresServer(options.url),
      timeoutMs: this.#quietMs,
      onUnreachable: (error) => {
        this.#giveUpSilent(error)
        events.onUnreachable(error)
      },
    })
    const onQuiet = () => this.#reachability.ask()
    this.#watchdog = createWatchdog(silenceMs, { afterMs: this.#quietMs, onQuiet })
  }

  /** @throws `DB_UNAVAILABLE` at once while the server does not answer new connections */
  throwIfUnreachable(): void {
    this.#reachability.throwIfUnreachable()
  }

  at(index: number): Connection {
    const current = this.#current.get(index)
    if (current !== undefined) return current
    const isCurrent = (connection: Connection) => this.#current.get(index) === connection
    const created = createConnection(this.#options, this.#watchdog, {
      onSilent: (silent) => {
        this.#events.onAbandoned?.()
        this.#drop(index, silent, () => silent.destroy(new Error(`No answer within ${this.#silenceMs} ms`)))
      },
      onOpened: (connection) => {
        if (isCurrent(connection)) this.#events.onOpened(index)
      },
      onClosed: (connection) => {
        if (isCurrent(connection)) this.#events.onClosed(index)
      },
    })
    this.#current.set(index, created)
    return created
  }

  /** Open connections to the server. */
  openCount(): number {
    return [...this.#current.values()].reduce((sum, connection) => sum + connection.open(), 0)
  }

  /**
   * Drops a connection that is of no use after this error. The next statement with its number creates a new one.
   *
   * - Connecting failed: everything queued on the connection fails with this error (`Connection.lost`); otherwise each statement
   *   would try to connect in turn.
   * - The connection broke in use: each read-only statement may be repeated on a new one. The client of postgres.js is replaced
   *   too: version 3.4 keeps the server's last message (such as "terminating connection due to administrator command") and fails
   *   the first statement of the next connection with it.
   * - The server became read-only, or forgot its prepared statements: statements in flight may finish first.
   */
  dropIfUnusable(index: number, connection: Connection, error: unknown): void {
    if (isLostConnection(error)) {
      const reason = isBrokenConnection(error) ? undefined : error
      this.#drop(index, connection, () => connection.destroy(reason))
    } else if (isReadOnlyServer(error) || isForgottenStatement(error)) {
      this.#drop(index, connection, () => connection.end(CLOSE_TIMEOUT_MS / 1000))
    }
  }

  async close(): Promise<void> {
    this.#reachability.close()
    // One second is enough: the pool has waited for the statements in flight before.
    const ends = [...this.#current.values()].map((connection) => connection.end(1))
    await Promise.all([...ends, ...this.#ending])
    this.#watchdog.close()
  }

  /** Every connection that has owed an answer for as long as a new connection was given. */
  #giveUpSilent(error: Error): void {
    for (const [index, connection] of this.#current) {
      if (connection.watch.silentMs < this.#quietMs) continue
      this.#events.onAbandoned?.()
      this.#drop(index, connection, () => connection.destroy(error))
    }
  }

  #drop(index: number, connection: Connection, end: () => Promise<void>): void {
    // Several statements may report the same connection: only the first drops it.
    if (this.#current.get(index) !== connection) return
    this.#current.delete(index)
    this.#events.onClosed(index)
    const ended = end().then(() => {
      this.#ending.delete(ended)
    })
    this.#ending.add(ended)
  }
}
