import { context, propagation, SpanKind, type Tracer } from '@opentelemetry/api'
import type { TracedAttempt } from '@reference/upstream'
import { listen } from './listen.ts'
import { endSpan, startSpan } from './spans.ts'

/** Creates a span for each attempt, and sends its context in the headers, so that the upstream continues the trace. */
export function traceUpstream(tracer: Tracer): () => void {
  return listen<TracedAttempt>('reference:upstream.attempt', (traced) => {
    const { hostname, port } = new URL(traced.origin)
    const [path = '/'] = traced.path.split('?', 1)
    const { span, inside } = startSpan(tracer, context.active(), 'GET', {
      kind: SpanKind.CLIENT,
      attributes: {
        'http.request.method': 'GET',
        'url.path': path,
        'server.address': hostname,
        'server.port': Number(port || 80),
      },
    })
    propagation.inject(inside, traced.headers)
    traced.end = (error, status) => {
      if (status !== undefined) span.setAttribute('http.response.status_code', status)
      endSpan(span, error)
    }
  })
}
