import { channel } from 'node:diagnostics_channel'
import type { FastifyReply, FastifyRequest } from 'fastify'

/** What a subscriber to `reference:http.request` is told when a request begins. It may set what is not read-only. */
export interface TracedRequest {
  readonly request: FastifyRequest
  readonly reply: FastifyReply
  /** Of a trace that is kept: log lines and exemplars carry it. */
  traceId?: string
  /** Runs what is left of the request; a tracer does so in its own context. */
  run(rest: () => void): void
}

/** What a subscriber to `reference:http.log` may put into the log line that is about to be written. */
export interface TracedLine {
  traceId?: string
  spanId?: string
}

/** Says that a request begins. Undefined, and no more than a property read, when nobody listens. */
export type BeginTrace = (request: FastifyRequest, reply: FastifyReply) => TracedRequest | undefined

/**
 * The seam for tracing: this package knows no tracer, it only tells on a diagnostics channel what happens.
 * `@reference/telemetry` listens when it was loaded before.
 */
export function createTracing(): BeginTrace {
  const requests = channel('reference:http.request')
  return (request, reply) => {
    if (!requests.hasSubscribers) return undefined
    const traced: TracedRequest = { request, reply, run: (rest) => rest() }
    requests.publish(traced)
    return traced
  }
}

/** pino's mixin for the ids of the trace in whose context a line is written; undefined when nobody traces. */
export function logMixin(): (() => object) | undefined {
  const lines = channel('reference:http.log')
  if (!lines.hasSubscribers) return undefined
  return () => {
    const line: TracedLine = {}
    lines.publish(line)
    return line
  }
}
