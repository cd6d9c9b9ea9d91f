/**
 * Finds connections whose server has stopped answering: the server hangs, its host is gone, or a proxy swallows everything. The
 * server's own limits cannot act then, and TCP takes minutes to notice, if it does at all.
 *
 * One timer a pool counts the ticks in which a connection owed an answer and gave none. A statement costs two additions and
 * reads no clock. A process that stood still (a long task, a suspended machine) counts one tick, not the time that passed.
 * The watchdog measures the silence of a connection, not the time of a statement: eight statements in one pipeline may take long
 * together, each within the server's limit.
 */
export interface Watchdog {
  /** @param onSilent called once, when an answer has been due for longer than the limit */
  watch(onSilent: () => void): Watch
  close(): void
}

export interface Watch {
  /** A message that the server will answer was sent. */
  sent(): void
  answered(): void
  /** Replaces the limit, as for a transaction that may take longer; without a number the usual limit returns. */
  setLimit(ms?: number): void
  /** Shortens the limit until the next answer, as for a statement that was cancelled. */
  hurry(ms: number): void
  /** How long an answer has been due, in whole ticks; 0 when none is due. */
  readonly silentMs: number
  end(): void
}

export interface Quiet {
  readonly afterMs: number
  /** Called at each tick in which an answer has been due for so long on some connection. */
  onQuiet(): void
}

const LONGEST_TICK_MS = 1000

export function createWatchdog(limitMs: number, quiet?: Quiet): Watchdog {
  const tickMs = Math.max(1, Math.min(LONGEST_TICK_MS, limitMs / 10))
  const watched = new Set<ConnectionWatch>()
  let timer: NodeJS.Timeout | undefined
  return {
    watch(onSilent) {
      // The timer does not keep the process alive; the sockets do, as long as there is something to watch.
      timer ??= setInterval(() => {
        for (const each of watched) each.tick()
        if (quiet === undefined) return
        for (const each of watched) {
          if (each.silentMs < quiet.afterMs) continue
          quiet.onQuiet()
          break
        }
      }, tickMs).unref()
      const end = () => {
        watched.delete(watch)
      }
      const watch = new ConnectionWatch({ limitMs, tickMs, onSilent, end })
      watched.add(watch)
      return watch
    },
    close() {
      clearInterval(timer)
      timer = undefined
    },
  }
}

interface WatchOptions {
  readonly limitMs: number
  readonly tickMs: number
  onSilent(): void
  end(): void
}

class ConnectionWatch implements Watch {
  readonly #options: WatchOptions
  #due = 0
  #silentTicks = 0
  #usualTicks: number
  #limitTicks: number

  constructor(options: WatchOptions) {
    this.#options = options
    this.#usualTicks = this.#ticks(options.limitMs)
    this.#limitTicks = this.#usualTicks
  }

  tick(): void {
    if (this.#due === 0 || ++this.#silentTicks <= this.#limitTicks) return
    this.end()
    this.#options.onSilent()
  }

  sent(): void {
    if (this.#due++ === 0) this.#silentTicks = 0
  }

  answered(): void {
    this.#due--
    this.#silentTicks = 0
    this.#limitTicks = this.#usualTicks
  }

  setLimit(ms = this.#options.limitMs): void {
    this.#usualTicks = this.#ticks(ms)
    this.#limitTicks = this.#usualTicks
  }

  hurry(ms: number): void {
    this.#limitTicks = Math.min(this.#limitTicks, this.#silentTicks + this.#ticks(ms))
  }

  get silentMs(): number {
    return this.#due === 0 ? 0 : this.#silentTicks * this.#options.tickMs
  }

  end(): void {
    this.#options.end()
  }

  #ticks(ms: number): number {
    return Math.ceil(ms / this.#options.tickMs)
  }
}
