import type { FastifyBaseLogger } from 'fastify'
import type { App } from './types.ts'

/** How often the number of further refusals is logged. */
const INTERVAL_MS = 5_000

interface Run {
  readonly since: number
  /** Since the last line. */
  refused: number
  total: number
}

/**
 * Logs refusals, requests that are answered with 503 and `retry-after`, without a line for each: under overload there are thousands a
 * second, and their lines would cost more than the refusals. Of each code the first is logged in full, then their number every
 * {@link INTERVAL_MS}, then the end. The metrics count all of them.
 */
export class RefusalLog {
  readonly #runs = new Map<string, Run>()
  readonly #log: FastifyBaseLogger
  readonly #intervalMs: number
  #timer: NodeJS.Timeout | undefined

  constructor(log: FastifyBaseLogger, intervalMs = INTERVAL_MS) {
    this.#log = log
    this.#intervalMs = intervalMs
  }

  /** @param details logged for the first refusal of a run, by the logger of its request */
  refused(log: FastifyBaseLogger, code: string, details: () => object): void {
    const run = this.#runs.get(code)
    if (run !== undefined) {
      run.refused++
      return
    }
    log.warn(details(), 'request refused')
    this.#runs.set(code, { since: performance.now(), refused: 0, total: 1 })
    this.#timer ??= setInterval(() => this.report(), this.#intervalMs).unref()
  }

  /** Logs the refusals that have no line yet. */
  close(): void {
    this.report()
    clearInterval(this.#timer)
  }

  /** Logs the refusals since the last report; called every {@link INTERVAL_MS}. */
  report(): void {
    for (const [code, run] of this.#runs) {
      const seconds = Math.round((performance.now() - run.since) / 1000)
      run.total += run.refused
      if (run.refused > 0)
        this.#log.warn({ code, refused: run.refused, total: run.total, seconds }, 'requests refused')
      else {
        this.#runs.delete(code)
        // A single refusal has one line.
        if (run.total > 1)
          this.#log.warn({ code, total: run.total, seconds }, 'no further request is refused')
      }
      run.refused = 0
    }
    if (this.#runs.size > 0) return
    clearInterval(this.#timer)
    this.#timer = undefined
  }
}

/** Decorates the app with its log of refusals, closed with it. */
export function addRefusalLog(app: App): void {
  const refusals = new RefusalLog(app.log)
  app.decorate('refusals', refusals)
  app.addHook('onClose', async () => refusals.close())
}
