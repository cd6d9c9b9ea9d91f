import {
  context,
  propagation,
  ROOT_CONTEXT,
  SpanKind,
  SpanStatusCode,
  type Tracer,
  trace,
} from '@opentelemetry/api'
import type { TracedRequest } from '@reference/http'
import { listen } from './listen.ts'

/** A span for each request but those of probes and scrapers; it ends with the answer, and is named by its route. */
export function traceRequests(tracer: Tracer): () => void {
  return listen<TracedRequest>('reference:http.request', (traced) => {
    const { request, reply } = traced
    if (Reflect.get(request.routeOptions.config, 'operational') === true) return
    const { url: route } = request.routeOptions
    const [path = '/'] = (request.raw.url ?? '/').split('?', 1)
    const parent = propagation.extract(ROOT_CONTEXT, request.headers)
    const span = tracer.startSpan(
      route === undefined ? request.method : `${request.method} ${route}`,
      {
        kind: SpanKind.SERVER,
        attributes: {
          'http.request.method': request.method,
          'url.path': path,
          ...(route !== undefined && { 'http.route': route }),
          'request.id': request.id,
        },
      },
      parent,
    )
    const inSpan = trace.setSpan(parent, span)
    traced.run = (rest) => context.with(inSpan, rest)
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
