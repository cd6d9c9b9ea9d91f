import { type Channel, channel } from 'node:diagnostics_channel'
import type { FastifyReply, FastifyRequest } from 'fastify'

/** The message on `reference:http.request` when a request begins. A subscriber may set the writable properties. */
export interface TracedRequest {
  readonly request: FastifyRequest
  readonly reply: FastifyReply
  /** Set when the trace is kept: log lines and exemplars carry it. */
  traceId?: string
  /** Continues the request; a tracer runs it in its own context. */
  run(rest: () => void): void
}

/** The message on `reference:http.log`: fields that a subscriber may add to the next log line. */
export interface TracedLine {
  traceId?: string
  spanId?: string
}

/** Publishes the begin of a request. Without a subscriber it costs one property read and returns undefined. */
export type BeginTrace = (request: FastifyRequest, reply: FastifyReply) => TracedRequest | undefined

/**
 * The seam for tracing: this package does not depend on a tracer and publishes on diagnostics channels.
 * `@reference/telemetry` subscribes to them if it was loaded before.
 */
export function createTracing(): BeginTrace {
  const requests = traceChannel()
  return (request, reply) => {
    if (!requests.hasSubscribers) return undefined
    const traced: TracedRequest = { request, reply, run: (rest) => rest() }
    requests.publish(traced)
    return traced
  }
}

/** The channel of {@link TracedRequest}. */
export function traceChannel(): Channel {
  return channel('reference:http.request')
}

/** pino's mixin that adds the ids of the active trace to a log line; undefined without a tracer. */
export function logMixin(): (() => object) | undefined {
  const lines = channel('reference:http.log')
  if (!lines.hasSubscribers) return undefined
  return () => {
    const line: TracedLine = {}
    lines.publish(line)
    return line
  }
}
