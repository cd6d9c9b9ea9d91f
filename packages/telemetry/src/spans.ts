import {
  type Context,
  propagation,
  ROOT_CONTEXT,
  type Span,
  type SpanOptions,
  SpanStatusCode,
  type Tracer,
  trace,
} from '@opentelemetry/api'

/** The trace context in a message or in request headers; the root context without one. */
export function carriedBy(carrier: object | undefined): Context {
  return carrier === undefined ? ROOT_CONTEXT : propagation.extract(ROOT_CONTEXT, carrier)
}

/** Starts a child span of `parent`. Spans that are started in the context `inside` become its children. */
export function startSpan(
  tracer: Tracer,
  parent: Context,
  name: string,
  options: SpanOptions,
): { span: Span; inside: Context } {
  const span = tracer.startSpan(name, options, parent)
  return { span, inside: trace.setSpan(parent, span) }
}

/**
 * Ends a span.
 *
 * @param error recorded by its code; its message may contain input of a client
 * @param endedAt milliseconds since the epoch; now unless given
 */
export function endSpan(span: Span, error?: unknown, endedAt?: number): void {
  if (error !== undefined) {
    const { name, code } = error as { name?: string; code?: unknown }
    span.setAttribute('error.type', typeof code === 'string' ? code : (name ?? 'unknown'))
    span.setStatus({ code: SpanStatusCode.ERROR })
  }
  span.end(endedAt)
}
