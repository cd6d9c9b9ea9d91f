import type { IncomingMessage } from 'node:http'
import type { CachedReply } from './hot-reply.ts'

/** What a hot route did for a request before it left it to Fastify. */
export interface Begun {
  /** The request's. */
  readonly id: string
  /** On the monotonic clock. */
  readonly startedAt: number
  /** The read that the handler continues with. */
  readonly found: Promise<CachedReply>
}

declare module 'fastify' {
  interface FastifyRequest {
    /** Set when a hot route began this request: it is admitted, counted by the rate limit, and its row is read. */
    begun: Begun | undefined
  }
}

const handovers = new WeakMap<IncomingMessage, Begun>()

/** Keeps what was done for a request that Fastify gets next. */
export function handOver(request: IncomingMessage, begun: Begun): void {
  handovers.set(request, begun)
}

/** What {@link handOver} kept for this request. */
export function handedOver(request: IncomingMessage): Begun | undefined {
  return handovers.get(request)
}
