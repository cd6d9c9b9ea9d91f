import { context, SpanKind, SpanStatusCode, type Tracer } from '@opentelemetry/api'
import type { TracedRequest } from '@reference/http'
import { listen } from './listen.ts'
import { carriedBy, startSpan } from './spans.ts'

/** A span for each request but those of probes and scrapers; it ends with the answer, and is named by its route. */
export function traceRequests(tracer: Tracer): () => void {
  return listen<TracedRequest>('reference:http.request', (traced) => {
    const { request, reply } = traced
    if (Reflect.get(request.routeOptions.config, 'operational') === true) return
    const { url: route } = request.routeOptions
    const [path = '/'] = (request.raw.url ?? '/').split('?', 1)
    const name = route === undefined ? request.method : `${request.method} ${route}`
    const { span, inside } = startSpan(tracer, carriedBy(request.headers), name, {
      kind: SpanKind.SERVER,
      attributes: {
        'http.request.method': request.method,
        'url.path': path,
        ...(route !== undefined && { 'http.route': route }),
        'request.id': request.id,
      },
    })
    traced.run = (rest) => context.with(inside, rest)
    if (span.isRecording()) traced.traceId = span.spanContext().traceId
    reply.raw.once('close', () => {
      const finished = reply.raw.writableFinished
      if (finished) span.setAttribute('http.response.status_code', reply.raw.statusCode)
      if (!finished) span.setAttribute('error.type', 'client closed')
      if (!finished || reply.raw.statusCode >= 500) span.setStatus({ code: SpanStatusCode.ERROR })
      span.end()
    })
  })
}
