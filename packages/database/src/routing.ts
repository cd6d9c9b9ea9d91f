import { databaseUnavailableError, isDatabaseUnavailable, isRetryableConflict } from './errors.ts'
import type { Pool, RunOptions, SnapshotOptions } from './pool.ts'
import type { Statement } from './statement.ts'
import type { Transaction, TransactionOptions } from './transaction.ts'

/**
 * Reads from `replica` while it answers and from `primary` otherwise. After a failure the replica is left alone for `pauseMs`;
 * then the next read starts a ping of it, and goes to the primary itself, as do all others until the ping has succeeded. No read waits
 * for a replica that may hang: of a page that several callers share, one read that did held up all of them.
 */
export function withFallback(replica: Pool, primary: Pool, pauseMs = 1000): Pool {
  return new FallbackPool(replica, primary, pauseMs)
}

/**
 * A replica that has answered none of its reads for this time is taken for unavailable when one of them has waited in vain for a connection:
 * a proxy between them may keep all connections of the pool waiting for a server that is gone.
 */
const STALL_MS = 1000

/** Sends work to one of the pools. */
type Send<Result> = (pool: Pool) => Promise<Result>

class FallbackPool implements Pool {
  readonly #replica: Pool
  readonly #primary: Pool
  readonly #pauseMs: number
  /** `probing`: a ping finds out whether the replica answers again. */
  #state: 'available' | 'unavailable' | 'probing' = 'available'
  #probeAt = 0
  /** Reads that the replica has not answered yet. */
  #pending = 0
  /** When it answered last, or got the first of them. */
  #quietSince = 0

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
    await Promise.all([this.#replica.close(), this.#primary.close()])
  }

  /** @param mayMove whether the primary may be asked after this error of the replica */
  async #route<Result>(send: Send<Result>, mayMove = isReplicaFailure): Promise<Result> {
    if (this.#state !== 'available') {
      this.#probe()
      return send(this.#primary)
    }
    if (this.#pending === 0) this.#quietSince = performance.now()
    this.#pending++
    try {
      const result = await send(this.#replica)
      this.#quietSince = performance.now()
      return result
    } catch (error) {
      const isStalled = isPoolTimeout(error) && performance.now() - this.#quietSince >= STALL_MS
      if (isStalled || isDatabaseUnavailable(error)) this.#leaveAlone()
      if (isStalled || mayMove(error)) return send(this.#primary)
      throw isRetryableConflict(error) ? databaseUnavailableError(error) : error
    } finally {
      this.#pending--
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

const isPoolTimeout = (error: unknown): boolean =>
  error instanceof Error && 'code' in error && error.code === 'DB_POOL_TIMEOUT'

/** A replica also cancels reads that block its replay (40001); the primary does not. */
function isReplicaFailure(error: unknown): boolean {
  return isDatabaseUnavailable(error) || isRetryableConflict(error)
}
