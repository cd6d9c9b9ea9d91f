import { performance } from 'node:perf_hooks'
import { TransientSet } from '@reference/async'

/** A call under a time limit. */
export interface LimitedCall {
  /** On the monotonic clock. */
  readonly startedAt: number
  /** The call has taken too long. */
  expire(error: Error): void
}

/**
 * The same time limit for many calls, with one timer for all of them: they expire in the order in which they began. A timer
 * and an AbortSignal per call, as in `withDeadline`, would cost every tier-2 read more than its GET.
 *
 * The check runs after one more turn of the event loop: when this process itself was late (a long collection, a
 * pause), its timers run before it reads the answers that have arrived in the meantime.
 */
export class Limiter {
  readonly #limitMs: number
  readonly #onLimit: () => Error
  readonly #pending = new TransientSet<LimitedCall>()
  #timer: NodeJS.Timeout | undefined

  constructor(limitMs: number, onLimit: () => Error) {
    this.#limitMs = limitMs
    this.#onLimit = onLimit
  }

  begin(call: LimitedCall): void {
    this.#pending.add(call)
    this.#timer ??= setTimeout(this.#checkSoon, this.#limitMs)
  }

  end(call: LimitedCall): void {
    this.#pending.delete(call)
    if (this.#pending.size > 0) return
    clearTimeout(this.#timer)
    this.#timer = undefined
  }

  limit<T>(work: Promise<T>): Promise<T> {
    return new Promise((resolve, reject) => {
      const call = { startedAt: performance.now(), expire: reject }
      this.begin(call)
      work.then(
        (value) => {
          this.end(call)
          resolve(value)
        },
        (error: unknown) => {
          this.end(call)
          reject(error)
        },
      )
    })
  }

  readonly #checkSoon = (): void => {
    setImmediate(() => {
      this.#timer = undefined
      const now = performance.now()
      for (const call of this.#pending) {
        const leftMs = call.startedAt + this.#limitMs - now
        if (leftMs > 0) {
          this.#timer = setTimeout(this.#checkSoon, leftMs)
          return
        }
        this.#pending.delete(call)
        call.expire(this.#onLimit())
      }
    })
  }
}
