import { channel } from 'node:diagnostics_channel'
import type { IncomingMessage } from 'node:http'
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

/** The message on `reference:http.hot` before a hot route answers; valid only during the call. */
export interface HotTrace {
  readonly request: IncomingMessage
  /** The header of this name. */
  readonly traceparent: string | undefined
  /** Set by a subscriber that keeps the trace of this request: Fastify answers it, and it is published as a {@link TracedRequest}. */
  isKept: boolean
}

/** The message on `reference:http.log`: fields that a subscriber may add to the next log line. */
export interface TracedLine {
  traceId?: string
  spanId?: string
}

const REQUESTS = 'reference:http.request'

/** Publishes the begin of a request. Without a subscriber it costs one property read and returns undefined. */
export type BeginTrace = (request: FastifyRequest, reply: FastifyReply) => TracedRequest | undefined

/**
 * The seam for tracing: this package does not depend on a tracer and publishes on diagnostics channels.
 * `@reference/telemetry` subscribes to them if it was loaded before.
 */
export function createTracing(): BeginTrace {
  const requests = channel(REQUESTS)
  return (request, reply) => {
    if (!requests.hasSubscribers) return undefined
    const traced: TracedRequest = { request, reply, run: (rest) => rest() }
    requests.publish(traced)
    return traced
  }
}

/** @returns whether a tracer wants the span of a request that a hot route can answer */
export type WantsTrace = (request: IncomingMessage, traceparent: string | undefined) => boolean

/**
 * Asks the tracer before a hot route answers, so that only the requests whose trace is kept take the longer path. A tracer that
 * does not subscribe to `reference:http.hot` gets all of them.
 */
export function createHotTracing(): WantsTrace {
  const requests = channel(REQUESTS)
  const decisions = channel('reference:http.hot')
  return (request, traceparent) => {
    if (!requests.hasSubscribers) return false
    if (!decisions.hasSubscribers) return true
    const decision: HotTrace = { request, traceparent, isKept: false }
    decisions.publish(decision)
    return decision.isKept
  }
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
