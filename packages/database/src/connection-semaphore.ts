import { poolTimeoutError } from './errors.ts'

/** One slot in the pipeline of a connection, or `exclusive` whole connections. */
export type PermitRequest = 'slot' | { readonly exclusive: number }

/** Why a request was refused: the wait was too long, or the pool is closing. */
export type Refusal = 'timeout' | 'closed'

/** The right to send on these connections, which are numbered from 0, until `release()`. */
export interface Permit {
  readonly connections: readonly number[]
  release(): void
}

export interface ConnectionSemaphoreOptions {
  /** Name of the pool, for errors. */
  readonly name: string
  readonly connections: number
  /** Slots of a connection. */
  readonly depth: number
  /** How many connections are filled evenly before further ones are used. */
  readonly spread: number
  readonly timeoutMs: number
  /** Receives the seconds of each wait, whether it ended with a permit, a refusal or an abort. */
  readonly onWaited?: ((seconds: number) => void) | undefined
  readonly onRefused?: ((reason: Refusal) => void) | undefined
}

interface Waiter {
  readonly request: PermitRequest
  grant(permit: Permit): void
  fail(error: unknown, refusal?: Refusal): void
}

/**
 * Decides which statements may be sent, and on which connection. postgres.js has no limit on waiting and no figures, and it
 * queues without a bound when its connections are busy; so it never receives more than it can send at once.
 *
 * A statement gets the least loaded of the first `spread` connections, and a further connection only when all before it carry
 * `depth` statements. One connection a statement, the usual way of a pool, is the slowest (figures in the README). A
 * transaction takes a whole connection, from the other end.
 *
 * Waiters are first come, first served, single statements included: otherwise a transaction that needs an idle connection
 * would starve.
 */
export class ConnectionSemaphore {
  readonly #options: ConnectionSemaphoreOptions
  /** Slots taken, for each connection. */
  readonly #load: number[]
  readonly #waiters = new Set<Waiter>()
  #used = 0
  #closed: Error | undefined
  #onIdle: (() => void) | undefined

  constructor(options: ConnectionSemaphoreOptions) {
    this.#options = options
    this.#load = new Array<number>(options.connections).fill(0)
  }

  /** Slots taken: statements in flight, and `depth` for each connection that is taken whole. */
  get inUse(): number {
    return this.#used
  }

  get waiting(): number {
    return this.#waiters.size
  }

  /** A permit if one is free now. The hot path: it makes no promise. */
  tryAcquire(request: PermitRequest): Permit | undefined {
    return this.#waiters.size > 0 || this.#closed !== undefined ? undefined : this.#find(request)
  }

  /**
   * Waits for a permit. Several connections are taken all at once, so two such requests cannot deadlock.
   *
   * @throws `DB_POOL_TIMEOUT` after `timeoutMs`; the reason of `close`; the signal's reason; RangeError for a request that is
   *   larger than the pool
   */
  async acquire(request: PermitRequest, signal?: AbortSignal): Promise<Permit> {
    const { name, connections, onRefused } = this.#options
    if (this.#closed !== undefined) {
      onRefused?.('closed')
      throw this.#closed
    }
    signal?.throwIfAborted()
    if (request !== 'slot' && request.exclusive > connections) {
      throw new RangeError(`Pool ${name} has ${connections} connections, not ${request.exclusive}`)
    }
    return this.tryAcquire(request) ?? this.#wait(request, signal)
  }

  /** Refuses every waiter and every later request; resolves when the last permit is released. */
  close(reason: Error): Promise<void> {
    this.#closed = reason
    for (const waiter of this.#waiters) waiter.fail(reason, 'closed')
    if (this.#used === 0) return Promise.resolve()
    return new Promise((resolve) => {
      this.#onIdle = resolve
    })
  }

  #find(request: PermitRequest): Permit | undefined {
    if (request === 'slot') {
      const connection = this.#leastLoaded()
      return connection === undefined ? undefined : this.#grant([connection], 1)
    }
    const { connections, depth } = this.#options
    const idle: number[] = []
    for (let i = connections - 1; i >= 0 && idle.length < request.exclusive; i--) {
      if (this.#load[i] === 0) idle.push(i)
    }
    return idle.length < request.exclusive ? undefined : this.#grant(idle, depth)
  }

  #leastLoaded(): number | undefined {
    const { connections, depth, spread } = this.#options
    let best: number | undefined
    let bestLoad = depth
    for (let i = 0; i < connections; i++) {
      if (i >= spread && best !== undefined) break
      const current = this.#load[i] ?? depth
      if (current >= bestLoad) continue
      best = i
      bestLoad = current
      if (current === 0) break
    }
    return best
  }

  #grant(connections: readonly number[], slots: number): Permit {
    this.#take(connections, slots)
    let isHeld = true
    return {
      connections,
      release: () => {
        if (!isHeld) return
        isHeld = false
        this.#take(connections, -slots)
        if (this.#used === 0) this.#onIdle?.()
        this.#serveWaiters()
      },
    }
  }

  #take(connections: readonly number[], slots: number): void {
    for (const connection of connections) this.#load[connection] = (this.#load[connection] ?? 0) + slots
    this.#used += connections.length * slots
  }

  #serveWaiters(): void {
    if (this.#closed !== undefined) return
    for (const waiter of this.#waiters) {
      const permit = this.#find(waiter.request)
      if (permit === undefined) return
      waiter.grant(permit)
    }
  }

  #wait(request: PermitRequest, signal: AbortSignal | undefined): Promise<Permit> {
    const { name, timeoutMs, onWaited, onRefused } = this.#options
    return new Promise((resolve, reject) => {
      const startedAt = performance.now()
      const onTimeout = () => waiter.fail(poolTimeoutError(name, timeoutMs), 'timeout')
      const onAbort = () => waiter.fail(signal?.reason)
      const timer = setTimeout(onTimeout, timeoutMs)
      const leave = () => {
        this.#waiters.delete(waiter)
        clearTimeout(timer)
        signal?.removeEventListener('abort', onAbort)
        onWaited?.((performance.now() - startedAt) / 1000)
      }
      const waiter: Waiter = {
        request,
        grant(permit) {
          leave()
          resolve(permit)
        },
        fail: (error, refusal) => {
          leave()
          if (refusal !== undefined) onRefused?.(refusal)
          reject(error)
          // The next waiter may need less than this one did.
          this.#serveWaiters()
        },
      }
      this.#waiters.add(waiter)
      signal?.addEventListener('abort', onAbort, { once: true })
    })
  }
}
