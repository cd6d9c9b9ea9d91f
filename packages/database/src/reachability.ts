import { isReachable, type PostgresServer } from '@reference/postgres'
import { databaseUnavailableError } from './errors.ts'

export interface ReachabilityOptions {
  readonly server: PostgresServer
  /** How long the first answer to a new connection may take. */
  readonly timeoutMs: number
  /** Nothing answers a new connection either. Called again after each further attempt that fails. */
  onUnreachable(error: Error): void
}

/** Between two attempts while the server is unreachable: it is found again within this time. */
const RETRY_MS = 500

/**
 * Decides whether a server that is silent is slow or gone. A statement may be silent for its whole time limit, 10 s, so the silence
 * of a connection says little. Whether a new connection is answered says more, and is known after two seconds.
 *
 * While the server is unreachable every statement fails at once, and attempts continue in the background until one is answered.
 */
export class Reachability {
  readonly #options: ReachabilityOptions
  #error: Error | undefined
  #isAsking = false
  #answeredAt = Number.NEGATIVE_INFINITY
  #retry: NodeJS.Timeout | undefined
  #isClosed = false

  constructor(options: ReachabilityOptions) {
    this.#options = options
  }

  /** The server has owed an answer for long: asks it, unless it is being asked or has just answered. */
  ask(): void {
    if (this.#isAsking || this.#isClosed || this.#retry !== undefined) return
    if (performance.now() - this.#answeredAt < this.#options.timeoutMs) return
    void this.#attempt()
  }

  /** @throws `DB_UNAVAILABLE` while the server is unreachable */
  throwIfUnreachable(): void {
    if (this.#error !== undefined) throw databaseUnavailableError(this.#error)
  }

  close(): void {
    this.#isClosed = true
    clearTimeout(this.#retry)
  }

  async #attempt(): Promise<void> {
    const { server, timeoutMs, onUnreachable } = this.#options
    this.#isAsking = true
    const isAnswered = await isReachable(server, timeoutMs)
    this.#isAsking = false
    this.#retry = undefined
    if (this.#isClosed) return
    if (isAnswered) {
      this.#answeredAt = performance.now()
      this.#error = undefined
      return
    }
    this.#error = new Error('The server answers neither its open connections nor a new one')
    this.#retry = setTimeout(() => void this.#attempt(), RETRY_MS).unref()
    onUnreachable(this.#error)
  }
}
