import type { FastifyReply } from 'fastify'

/** What changes while a process lives: read by health and replies, changed by shutdown. */
export interface Lifecycle {
  /** Shutdown has begun: `/ready` is 503. */
  readonly draining: boolean
  /** Each reply is the last one of its connection: it says `connection: close`. */
  readonly lastReplies: boolean
  /** The requests that have no whole answer yet. */
  readonly inFlight: Set<FastifyReply>
  /** Requests that came while they are held back: what goes on with each. */
  readonly held: (() => void)[] | undefined
  /** Begins the shutdown. */
  drain(): void
  /** Switches `connection: close`; what is in flight will say it too. */
  setLastReplies(on: boolean): void
  /** Holds back the requests that come from now on; returns what lets them go on. */
  hold(): () => void
}

export function createLifecycle(): Lifecycle {
  const inFlight = new Set<FastifyReply>()
  let draining = false
  let lastReplies = false
  let held: (() => void)[] | undefined
  return {
    get draining() {
      return draining
    },
    get lastReplies() {
      return lastReplies
    },
    get held() {
      return held
    },
    inFlight,
    drain() {
      draining = true
    },
    setLastReplies(on) {
      lastReplies = on
      if (on) for (const reply of inFlight) reply.header('connection', 'close')
    },
    hold() {
      held ??= []
      return () => {
        const waiting = held ?? []
        held = undefined
        for (const goOn of waiting) goOn()
      }
    },
  }
}
