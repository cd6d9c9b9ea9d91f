import type { FastifyReply } from 'fastify'

/** What changes while a process lives: read by health and replies, changed by shutdown. */
export interface Lifecycle {
  /** Shutdown has begun: `/ready` is 503 and each reply says `connection: close`. */
  readonly draining: boolean
  /** The requests that have no whole answer yet. */
  readonly inFlight: Set<FastifyReply>
  /** Begins the shutdown; also what is in flight will say `connection: close`. */
  drain(): void
}

export function createLifecycle(): Lifecycle {
  const inFlight = new Set<FastifyReply>()
  let draining = false
  return {
    get draining() {
      return draining
    },
    inFlight,
    drain() {
      draining = true
      for (const reply of inFlight) reply.header('connection', 'close')
    },
  }
}
