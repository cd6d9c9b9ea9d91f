import type { IncomingMessage, ServerResponse } from 'node:http'
import { TransientSet } from '@reference/async'

/** A reply that is not completely sent; Fastify's replies have this shape. */
export interface ReplyInFlight {
  readonly raw: ServerResponse
  readonly request: { readonly id: string; readonly raw: IncomingMessage }
  header(name: string, value: string): unknown
}

/** The state of a process: shutdown changes it, health and replies read it. */
export interface Lifecycle {
  /** Shutdown has begun: `/ready` is 503. */
  readonly draining: boolean
  /** Each reply is the last one of its connection and carries `connection: close`. */
  readonly lastReplies: boolean
  /** The replies that are not completely sent yet. */
  readonly inFlight: TransientSet<ReplyInFlight>
  /** The continuations of the requests that are held back; undefined while requests are not held back. */
  readonly held: (() => void)[] | undefined
  /** Starts the shutdown. */
  drain(): void
  /** Switches `connection: close`, also for the replies in flight. */
  setLastReplies(on: boolean): void
  /** Holds back new requests; returns a function that continues them. */
  hold(): () => void
}

export function createLifecycle(): Lifecycle {
  const inFlight = new TransientSet<ReplyInFlight>()
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
        for (const proceed of waiting) proceed()
      }
    },
  }
}
