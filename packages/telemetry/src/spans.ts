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

/** The trace that a message or the headers of a request brought along; none: a new one may begin. */
export function carriedBy(carrier: object | undefined): Context {
  return carrier === undefined ? ROOT_CONTEXT : propagation.extract(ROOT_CONTEXT, carrier)
}

/** Starts a span below `parent`; what is run in the context `inside` has it as its own parent. */
export function startSpan(
  tracer: Tracer,
  parent: Context,
  name: string,
  options: SpanOptions,
): { span: Span; inside: Context } {
  const span = tracer.startSpan(name, options, parent)
  return { span, inside: trace.setSpan(parent, span) }
}

/** Ends a span, now unless told; an error is told by its code, never by its message, which may hold what a client sent. */
export function endSpan(span: Span, error?: unknown, endedAt?: number): void {
  if (error !== undefined) {
    const { name, code } = error as { name?: string; code?: unknown }
    span.setAttribute('error.type', typeof code === 'string' ? code : (name ?? 'unknown'))
    span.setStatus({ code: SpanStatusCode.ERROR })
  }
  span.end(endedAt)
}
