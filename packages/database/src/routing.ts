import { TransientSet } from '@reference/async'
import { databaseUnavailableError, isDatabaseUnavailable, isRetryableConflict } from './errors.ts'
import type { Pool, RunOptions, SnapshotOptions } from './pool.ts'
import type { Statement } from './statement.ts'
import type { Transaction, TransactionOptions } from './transaction.ts'

/**
 * Reads from `replica` while it answers and from `primary` otherwise. After a failure the replica is left alone for `pauseMs`;
 * then the next read starts a ping of it, and goes to the primary itself, as do all others until the ping has succeeded. No read waits
 * for a replica that may hang: of a page that several callers share, one read that did held up all of them.
 *
 * A proxy in between may keep connections open whose server is gone. So a replica that answers none of its reads for a while gets a ping,
 * which a server that is only slow answers; without an answer the reads move to the primary.
 */
export function withFallback(replica: Pool, primary: Pool, pauseMs = 1000): Pool {
  return new FallbackPool(replica, primary, pauseMs)
}

/** How long a replica with unanswered reads may be quiet before it gets a ping. */
const QUIET_MS = 500
/** How long the ping may take. Then the replica is unavailable, and the primary answers the reads that wait for it. */
const PING_MS = 500

/** Sends work to one of the pools. */
type Send<Result> = (pool: Pool) => Promise<Result>

class FallbackPool implements Pool {
  readonly #replica: Pool
  readonly #primary: Pool
  readonly #pauseMs: number
  /** `probing`: a ping finds out whether the replica answers again. */
  #state: 'available' | 'unavailable' | 'probing' = 'available'
  #probeAt = 0
  /** Moves a read that the replica has not answered to the primary. */
  readonly #unanswered = new TransientSet<() => void>()
  /** When the replica answered last, or got the first of the unanswered reads. */
  #quietSince = 0
  #watch: NodeJS.Timeout | undefined

  constructor(replica: Pool, primary: Pool, pauseMs: number) {
    this.#replica = replica
    this.#primary = primary
    this.#pauseMs = pauseMs
  }

  run<Params extends object, Row>(statement: Statement<Params, Row>, params: Params, options?: RunOptions) {
    return this.#route((pool) => pool.run(statement, params, options))
  }

  first<Params extends object, Row>(statement: Statement<Params, Row>, params: Params, options?: RunOptions) {
    return this.#route((pool) => pool.first(statement, params, options))
  }

  bytes<Params extends object, Row>(statement: Statement<Params, Row>, params: Params, options?: RunOptions) {
    return this.#route((pool) => pool.bytes(statement, params, options))
  }

  readonly sql = <Row>(strings: TemplateStringsArray, ...values: unknown[]) =>
    this.#route((pool) => pool.sql<Row>(strings, ...values))

  /** Moves to the primary before its work has begun, or after a lost conflict, when work may run again anyway. */
  transaction<Result>(work: (tx: Transaction) => Promise<Result>, options?: TransactionOptions) {
    let hasBegun = false
    const begin = (tx: Transaction) => {
      hasBegun = true
      return work(tx)
    }
    const mayMove = (error: unknown) => isReplicaFailure(error) && (!hasBegun || isRetryableConflict(error))
    return this.#route((pool) => pool.transaction(begin, options), mayMove)
  }

  /**
   * Moves to the primary after any failure before its work has begun: the parts may meet different servers behind one address of
   * a replica, or a server whose version exports no snapshot.
   */
  snapshot<Result>(
    connections: number,
    work: (parts: Transaction[]) => Promise<Result>,
    options?: SnapshotOptions,
  ) {
    let hasBegun = false
    const begin = (parts: Transaction[]) => {
      hasBegun = true
      return work(parts)
    }
    const mayMove = (error: unknown) =>
      options?.signal?.aborted !== true && (!hasBegun || isRetryableConflict(error))
    return this.#route((pool) => pool.snapshot(connections, begin, options), mayMove)
  }

  /** The replica's own health, wherever reads go at present. */
  ping(signal?: AbortSignal) {
    return this.#replica.ping(signal)
  }

  stats() {
    return this.#replica.stats()
  }

  async close() {
    clearTimeout(this.#watch)
    await Promise.all([this.#replica.close(), this.#primary.close()])
  }

  /** @param mayMove whether the primary may be asked after this error of the replica */
  async #route<Result>(send: Send<Result>, mayMove = isReplicaFailure): Promise<Result> {
    if (this.#state !== 'available') {
      this.#probe()
      return send(this.#primary)
    }
    try {
      return await this.#answered(send(this.#replica))
    } catch (error) {
      if (isDatabaseUnavailable(error)) this.#leaveAlone()
      if (mayMove(error)) return send(this.#primary)
      throw isRetryableConflict(error) ? databaseUnavailableError(error) : error
    }
  }

  /** The answer of the replica, or `DB_UNAVAILABLE` once it is taken for gone. */
  #answered<Result>(answer: Promise<Result>): Promise<Result> {
    if (this.#unanswered.size === 0) this.#quietSince = performance.now()
    this.#watch ??= setTimeout(() => this.#checkQuiet(), QUIET_MS).unref()
    return new Promise((resolve, reject) => {
      const giveUp = () => reject(databaseUnavailableError(new Error('The replica answers nothing')))
      this.#unanswered.add(giveUp)
      answer.then(
        (result) => {
          this.#noteAnswer(giveUp)
          resolve(result)
        },
        (error) => {
          this.#noteAnswer(giveUp)
          reject(error)
        },
      )
    })
  }

  #noteAnswer(giveUp: () => void): void {
    this.#unanswered.delete(giveUp)
    this.#quietSince = performance.now()
  }

  async #checkQuiet(): Promise<void> {
    const quietMs = performance.now() - this.#quietSince
    if (this.#unanswered.size > 0 && quietMs >= QUIET_MS) {
      const isAlive = await this.#replica.ping(AbortSignal.timeout(PING_MS)).then(
        () => true,
        () => performance.now() - this.#quietSince < QUIET_MS,
      )
      if (isAlive) this.#quietSince = performance.now()
      else this.#giveUpAll()
    }
    const waitMs = Math.max(0, QUIET_MS - (performance.now() - this.#quietSince))
    this.#watch =
      this.#unanswered.size === 0 ? undefined : setTimeout(() => this.#checkQuiet(), waitMs).unref()
  }

  #giveUpAll(): void {
    this.#leaveAlone()
    for (const giveUp of this.#unanswered) {
      this.#unanswered.delete(giveUp)
      giveUp()
    }
  }

  #probe(): void {
    if (this.#state === 'probing' || performance.now() < this.#probeAt) return
    this.#state = 'probing'
    this.#replica.ping().then(
      () => {
        this.#state = 'available'
      },
      () => {
        this.#state = 'unavailable'
        this.#leaveAlone()
      },
    )
  }

  #leaveAlone(): void {
    this.#probeAt = performance.now() + this.#pauseMs
    // A read that was sent before the failure of another must not end the probe.
    if (this.#state === 'available') this.#state = 'unavailable'
  }
}

/** A replica also cancels reads that block its replay (40001); the primary does not. */
function isReplicaFailure(error: unknown): boolean {
  return isDatabaseUnavailable(error) || isRetryableConflict(error)
}
