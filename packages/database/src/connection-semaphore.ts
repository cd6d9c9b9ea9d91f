import { TransientSet } from '@reference/async'
import { poolTimeoutError } from './errors.ts'

/** One slot in the pipeline of a connection, or `exclusive` whole connections. */
export type PermitRequest = 'slot' | { readonly exclusive: number }

/** Whether a connection has a session in the server. */
type ConnectionState = 'closed' | 'opening' | 'open'

/** Why a request was refused: the wait was too long, the queue did not empty and a younger request took its turn, or the pool is closing. */
export type Refusal = 'timeout' | 'overload' | 'closed'

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
  /** How long a connection that is being opened keeps the next one from being opened; default 0: all are opened at once. */
  readonly openIntervalMs?: number | undefined
  readonly timeoutMs: number
  /** The longest wait of a request that is served while the queue does not empty; default 500. */
  readonly targetMs?: number
  /** For how long each request that is served must have waited longer before others are refused; default 2,000. */
  readonly intervalMs?: number
  /** Receives the seconds of each wait, whether it ended with a permit, a refusal or an abort. */
  readonly onWaited?: ((seconds: number) => void) | undefined
  readonly onRefused?: ((reason: Refusal) => void) | undefined
}

/**
 * CoDel (Nichols and Jacobson, "Controlling Queue Delay", ACM Queue 10(5), 2012), in the form for requests of Maurer ("Fail at Scale",
 * ACM Queue 13(8), 2015): once each request that is served has waited longer than the target for a whole interval, the queue is a
 * standing one, and each request that has waited longer than the target is refused.
 */
const TARGET_MS = 500
const INTERVAL_MS = 2_000

export interface AcquireOptions {
  /** Aborting it ends the wait. */
  readonly signal?: AbortSignal | undefined
  /** Before all requests that wait and are not urgent: a readiness check must not fail because the service is busy. Default `false`. */
  readonly urgent?: boolean | undefined
}

interface Waiter {
  readonly request: PermitRequest
  readonly since: number
  grant(permit: Permit): void
  fail(error: unknown, refusal?: Refusal): void
}

/**
 * Decides which statements may be sent, and on which connection. When its connections are busy, postgres.js queues statements
 * without a bound, a time limit or metrics. So it never receives more than it can send at once, and statements wait here.
 *
 * A statement gets the least loaded of the first `spread` connections, and a further connection only when all before it carry
 * `depth` statements. The usual way of a pool, one connection for each statement, is the slowest (figures in the README). A
 * transaction takes a whole connection, an open one where there is one, beginning with the highest number.
 *
 * Connections are opened one after the other, or one each `openIntervalMs` where a login takes longer; meanwhile other requests wait
 * for any connection that becomes free. A login costs the server more than most statements do, and a burst that opened all
 * connections at once would be slowed down by its own logins. Only the first `spread` of a pool that pipelines are opened at once.
 *
 * Waiters are served in the order of their arrival. A single statement does not overtake: otherwise a transaction that needs an
 * idle connection would starve. For the same reason the youngest waiter is not served first under overload.
 *
 * A queue that does not empty makes every caller wait for as long as the limit allows, and many have left when their turn comes. So a
 * waiter is refused in its turn when it has waited for more than 500 ms in a queue that has not been shorter for 2 s, unless it is
 * the last one. A burst, or the end of a long lock, is served as before. These times are a second line: `packages/http` limits the
 * requests in flight, so the queue of a service grows as long as that only without this limit, or behind a slow transaction.
 */
export class ConnectionSemaphore {
  readonly #options: ConnectionSemaphoreOptions
  /** Slots taken, for each connection. */
  readonly #loads: number[]
  readonly #waiters = new TransientSet<Waiter>()
  /** Served before the others, and never refused in their favour. */
  readonly #urgentWaiters = new TransientSet<Waiter>()
  readonly #states: ConnectionState[]
  /** Connections that are being opened. */
  #opening = 0
  /** When the next one may be opened although others still are. */
  #openableAt = 0
  #usedSlots = 0
  /** Since when each waiter that was served had waited longer than the target. */
  #standingSince: number | undefined
  #closed: Error | undefined
  #onIdle: (() => void) | undefined

  constructor(options: ConnectionSemaphoreOptions) {
    this.#options = options
    this.#loads = new Array<number>(options.connections).fill(0)
    this.#states = new Array<ConnectionState>(options.connections).fill('closed')
  }

  /** Slots taken: statements in flight, and `depth` for each connection that is taken whole. */
  get inUse(): number {
    return this.#usedSlots
  }

  get waiting(): number {
    return this.#waiters.size + this.#urgentWaiters.size
  }

  /** A permit, if one is free and no request waits for one. The hot path: it creates no promise. */
  tryAcquire(request: PermitRequest): Permit | undefined {
    return this.waiting > 0 || this.#closed !== undefined ? undefined : this.#tryGrant(request)
  }

  /**
   * Waits for a permit. Several connections are taken all at once, so two such requests cannot deadlock.
   *
   * @throws `DB_POOL_TIMEOUT` after `timeoutMs`, or earlier in a standing queue; the reason of `close`; the signal's reason; RangeError for a request that is
   *   larger than the pool
   */
  async acquire(request: PermitRequest, { signal, urgent = false }: AcquireOptions = {}): Promise<Permit> {
    const { name, connections, onRefused } = this.#options
    if (this.#closed !== undefined) {
      onRefused?.('closed')
      throw this.#closed
    }
    signal?.throwIfAborted()
    if (request !== 'slot' && request.exclusive > connections) {
      throw new RangeError(`Pool ${name} has ${connections} connections, not ${request.exclusive}`)
    }
    return (
      this.tryAcquire(request) ?? this.#wait(request, signal, urgent ? this.#urgentWaiters : this.#waiters)
    )
  }

  /** Refuses every waiter and every later request; resolves when the last permit is released. */
  close(reason: Error): Promise<void> {
    this.#closed = reason
    for (const waiter of this.#allWaiters) waiter.fail(reason, 'closed')
    if (this.#usedSlots === 0) return Promise.resolve()
    return new Promise((resolve) => {
      this.#onIdle = resolve
    })
  }

  /** Fails every request that waits; later ones are served. */
  failWaiting(error: Error): void {
    for (const waiter of this.#allWaiters) waiter.fail(error)
  }

  /** A session has begun on this connection. Without this report it counts as open from the release of its first permit on. */
  opened(connection: number): void {
    this.#setState(connection, 'open')
  }

  /** This connection has no session any more, or could not be opened. */
  closed(connection: number): void {
    this.#setState(connection, 'closed')
  }

  #setState(connection: number, state: ConnectionState): void {
    const before = this.#states[connection]
    if (before === state) return
    this.#states[connection] = state
    if (state === 'opening') this.#beginOpening()
    if (before !== 'opening') return
    this.#opening--
    this.#serveWaiters()
  }

  #beginOpening(): void {
    const { openIntervalMs = 0 } = this.#options
    this.#opening++
    this.#openableAt = performance.now() + openIntervalMs
    // A timer may fire a millisecond early.
    if (openIntervalMs > 0) setTimeout(() => this.#serveWaiters(), openIntervalMs + 1).unref()
  }

  /** Whether a statement may be sent on it: it is open, or may be opened now. */
  #isUsable(connection: number): boolean {
    if (this.#states[connection] !== 'closed') return true
    return this.#opening === 0 || performance.now() >= this.#openableAt
  }

  get #allWaiters(): Waiter[] {
    return [...this.#urgentWaiters, ...this.#waiters]
  }

  /** Takes the slots of a request if they are free. */
  #tryGrant(request: PermitRequest): Permit | undefined {
    if (request === 'slot') {
      const connection = this.#leastLoaded()
      return connection === undefined ? undefined : this.#grant([connection], 1)
    }
    const { connections, depth } = this.#options
    const idle: number[] = []
    for (const hasSession of [true, false]) {
      for (let i = connections - 1; i >= 0 && idle.length < request.exclusive; i--) {
        if (this.#loads[i] !== 0 || (this.#states[i] !== 'closed') !== hasSession) continue
        if (this.#isUsable(i)) idle.push(i)
      }
    }
    return idle.length < request.exclusive ? undefined : this.#grant(idle, depth)
  }

  /** The least loaded of the first `spread` connections; if these are full, the first further one with a free slot. */
  #leastLoaded(): number | undefined {
    const { connections, depth, spread } = this.#options
    // A statement in a pipeline waits for the ones before it, which may be slow: these connections are worth their logins.
    const opensAtOnce = depth > 1 ? spread : 0
    let best: number | undefined
    let bestLoad = depth
    for (let i = 0; i < connections; i++) {
      if (i >= spread && best !== undefined) break
      const load = this.#loads[i] ?? depth
      if (load >= bestLoad || !(i < opensAtOnce || this.#isUsable(i))) continue
      best = i
      bestLoad = load
      if (load === 0) break
    }
    return best
  }

  #grant(connections: readonly number[], slots: number): Permit {
    for (const connection of connections)
      if (this.#states[connection] === 'closed') this.#setState(connection, 'opening')
    this.#addLoad(connections, slots)
    let isHeld = true
    return {
      connections,
      release: () => {
        if (!isHeld) return
        isHeld = false
        this.#addLoad(connections, -slots)
        // A connection that could not be opened was reported as closed before.
        for (const connection of connections)
          if (this.#states[connection] === 'opening') this.#setState(connection, 'open')
        if (this.#usedSlots === 0) this.#onIdle?.()
        this.#serveWaiters()
      },
    }
  }

  /** @param slots taken on each of the connections; negative to give them back */
  #addLoad(connections: readonly number[], slots: number): void {
    for (const connection of connections) this.#loads[connection] = (this.#loads[connection] ?? 0) + slots
    this.#usedSlots += connections.length * slots
  }

  #serveWaiters(): void {
    if (this.#closed !== undefined) return
    for (const waiter of this.#urgentWaiters) if (!this.#serve(waiter)) return
    if (this.#waiters.size === 0) return
    const now = performance.now()
    this.#noteDelay(now)
    for (const waiter of this.#waiters) {
      if (this.#isOverdue(waiter, now)) {
        waiter.fail(poolTimeoutError(this.#options.name, Math.round(now - waiter.since)), 'overload')
        continue
      }
      if (!this.#serve(waiter)) return
    }
  }

  #serve(waiter: Waiter): boolean {
    const permit = this.#tryGrant(waiter.request)
    if (permit !== undefined) waiter.grant(permit)
    return permit !== undefined
  }

  /** Between half the target and the target nothing changes: while waiters are refused, the first one has waited about that long. */
  #noteDelay(now: number): void {
    const [first] = this.#waiters
    if (first === undefined) return
    const { targetMs = TARGET_MS } = this.#options
    const waitedMs = now - first.since
    if (waitedMs <= targetMs / 2) this.#standingSince = undefined
    else if (waitedMs > targetMs) this.#standingSince ??= now
  }

  #isOverdue({ since }: Waiter, now: number): boolean {
    const { targetMs = TARGET_MS, intervalMs = INTERVAL_MS } = this.#options
    if (this.#standingSince === undefined || now - this.#standingSince < intervalMs) return false
    return now - since > targetMs && this.#waiters.size > 1
  }

  #wait(
    request: PermitRequest,
    signal: AbortSignal | undefined,
    queue: TransientSet<Waiter>,
  ): Promise<Permit> {
    const { name, timeoutMs, onWaited, onRefused } = this.#options
    return new Promise((resolve, reject) => {
      const since = performance.now()
      const leaveQueue = (error: unknown, refusal?: Refusal) => {
        waiter.fail(error, refusal)
        // The next waiter may need fewer connections than this one did.
        this.#serveWaiters()
      }
      const onTimeout = () => leaveQueue(poolTimeoutError(name, timeoutMs), 'timeout')
      const onAbort = () => leaveQueue(signal?.reason)
      const timer = setTimeout(onTimeout, timeoutMs)
      const leave = () => {
        queue.delete(waiter)
        if (this.#waiters.size === 0) this.#standingSince = undefined
        clearTimeout(timer)
        signal?.removeEventListener('abort', onAbort)
        onWaited?.((performance.now() - since) / 1000)
      }
      const waiter: Waiter = {
        request,
        since,
        grant(permit) {
          leave()
          resolve(permit)
        },
        fail(error, refusal) {
          leave()
          if (refusal !== undefined) onRefused?.(refusal)
          reject(error)
        },
      }
      queue.add(waiter)
      signal?.addEventListener('abort', onAbort, { once: true })
    })
  }
}
