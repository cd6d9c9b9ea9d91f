import { context, propagation, SpanKind, type Tracer } from '@opentelemetry/api'
import { listen } from './listen.ts'
import { endSpan, startSpan } from './spans.ts'

/** What the client of the parallel-api tells of an attempt. */
interface TracedAttempt {
  readonly origin: string
  readonly path: string
  readonly headers: Record<string, string>
  end(error?: unknown, status?: number): void
}

/** A span for each attempt of a call, and its trace in the headers: the service that is called goes on with it. */
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
