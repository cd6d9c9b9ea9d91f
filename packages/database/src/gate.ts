import { poolTimeoutError } from './errors.ts'

/**
 * Decides who may send, and on which connection. postgres.js has neither a limit on waiting nor figures, and once its
 * connections are busy it queues without end; so it is never given more than it can send at once.
 *
 * Connections are numbers here. Statements go to the least loaded of the first `spread`, and to the next one only
 * when all before it carry `depth`: a connection for each statement is what a pool usually does, and the slowest
 * way there is (see the README for the figures). A transaction takes a whole connection, from the other end.
 *
 * Whoever has to wait is served first come, first served, the small ones too: a transaction that waits for an
 * idle connection would otherwise never see one.
 */
export type Gate = {
  /** One place on a connection, or whole connections (`exclusive` of them, all at once, so that two cannot deadlock). */
  take(want: Want, signal?: AbortSignal): Promise<Grant>
  /** As `take` when nobody has to wait; the fast path makes no promise. */
  tryTake(want: Want): Grant | undefined
  /** Places taken: statements on their way, and `depth` for each connection that is taken whole. */
  inUse(): number
  waiting(): number
  /** Refuses everyone who waits or comes from now on; resolves when the last place is given back. */
  close(reason: Error): Promise<void>
}

export type Want = 'place' | { exclusive: number }
/** Why nothing was sent: the wait was too long, or the pool is closing. */
export type Refusal = 'timeout' | 'closed'
export type Grant = { connections: number[]; release(): void }

export function createGate(options: {
  name: string
  connections: number
  depth: number
  /** How many connections carry statements before one of them carries `depth`. */
  spread: number
  timeoutMs: number
  /** Called with the seconds waited by each that had to wait, whether it was let through, refused or left. */
  onWaited?: ((seconds: number) => void) | undefined
  onRefused?: ((reason: Refusal) => void) | undefined
}): Gate {
  const { name, connections, depth, spread, timeoutMs, onWaited, onRefused } = options
  const load = new Array<number>(connections).fill(0)
  const line = new Set<Waiter>()
  let used = 0
  let closed: Error | undefined
  let onIdle: (() => void) | undefined

  return {
    tryTake,
    take(want, signal) {
      if (closed !== undefined) {
        onRefused?.('closed')
        return Promise.reject(closed)
      }
      if (signal?.aborted) return Promise.reject(signal.reason)
      if (typeof want === 'object' && want.exclusive > connections) {
        return Promise.reject(
          new RangeError(`Pool ${name} has ${connections} connections, not ${want.exclusive}`),
        )
      }
      const grant = tryTake(want)
      return grant === undefined ? wait(want, signal) : Promise.resolve(grant)
    },
    inUse: () => used,
    waiting: () => line.size,
    close(reason) {
      closed = reason
      for (const waiter of line) waiter.reject(reason, 'closed')
      if (used === 0) return Promise.resolve()
      return new Promise((resolve) => {
        onIdle = resolve
      })
    },
  }

  function tryTake(want: Want): Grant | undefined {
    return line.size > 0 || closed !== undefined ? undefined : find(want)
  }

  function find(want: Want): Grant | undefined {
    if (want === 'place') {
      const connection = placeFor()
      return connection === undefined ? undefined : grantOf([connection], 1)
    }
    const idle: number[] = []
    for (let i = connections - 1; i >= 0 && idle.length < want.exclusive; i--) if (load[i] === 0) idle.push(i)
    return idle.length < want.exclusive ? undefined : grantOf(idle, depth)
  }

  function placeFor(): number | undefined {
    let best: number | undefined
    let bestLoad = depth
    for (let i = 0; i < connections; i++) {
      if (i >= spread && best !== undefined) break
      const current = load[i] ?? depth
      if (current >= bestLoad) continue
      best = i
      bestLoad = current
      if (current === 0) break
    }
    return best
  }

  function grantOf(taken: number[], weight: number): Grant {
    add(taken, weight)
    let released = false
    return {
      connections: taken,
      release() {
        if (released) return
        released = true
        add(taken, -weight)
        if (used === 0) onIdle?.()
        serve()
      },
    }
  }

  function add(taken: number[], weight: number): void {
    for (const connection of taken) load[connection] = (load[connection] ?? 0) + weight
    used += taken.length * weight
  }

  function serve(): void {
    if (closed !== undefined) return
    for (const waiter of line) {
      const grant = find(waiter.want)
      if (grant === undefined) return
      waiter.resolve(grant)
    }
  }

  function wait(want: Want, signal: AbortSignal | undefined): Promise<Grant> {
    return new Promise((resolve, reject) => {
      const since = performance.now()
      const timer = setTimeout(() => waiter.reject(poolTimeoutError(name, timeoutMs), 'timeout'), timeoutMs)
      const abort = () => waiter.reject(signal?.reason)
      const leave = () => {
        line.delete(waiter)
        clearTimeout(timer)
        onWaited?.((performance.now() - since) / 1000)
        signal?.removeEventListener('abort', abort)
      }
      const waiter: Waiter = {
        want,
        resolve(grant) {
          leave()
          resolve(grant)
        },
        reject(error, refusal) {
          leave()
          if (refusal !== undefined) onRefused?.(refusal)
          reject(error)
          // Whoever stood behind may fit where this one did not.
          serve()
        },
      }
      line.add(waiter)
      signal?.addEventListener('abort', abort, { once: true })
    })
  }
}

type Waiter = {
  want: Want
  resolve(grant: Grant): void
  reject(error: unknown, refusal?: Refusal): void
}
