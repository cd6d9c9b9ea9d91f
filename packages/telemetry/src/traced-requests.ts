import type { IncomingMessage } from 'node:http'
import { context, ROOT_CONTEXT, SpanKind, SpanStatusCode, type Tracer } from '@opentelemetry/api'
import type { HotTrace, TracedRequest } from '@reference/http'
import type { HeadSampler } from './head-sampler.ts'
import { listen } from './listen.ts'
import { carriedBy, startSpan } from './spans.ts'

/**
 * Creates a span for each request whose trace is kept, except for probes and scrapes. The span is named by its route and
 * ends with the reply. A hot route answers a request whose trace is not kept, and asks before.
 */
export function traceRequests(tracer: Tracer, head: HeadSampler): () => void {
  const hot = listenToHot(head)
  const stop = listen<TracedRequest>('reference:http.request', (traced) => {
    const { request, reply } = traced
    if (Reflect.get(request.routeOptions.config, 'operational') === true) return
    const parent = carriedBy(request.headers.traceparent === undefined ? undefined : request.headers)
    if (!(hot.decisionOf(request.raw) ?? head.keeps(parent))) {
      // Keep the unsampled parent active so that outgoing calls forward its `traceparent`. Without a parent, the sampler
      // drops the client span.
      if (parent !== ROOT_CONTEXT) traced.run = (rest) => context.with(parent, rest)
      return
    }
    const { url: route } = request.routeOptions
    const [path = '/'] = (request.raw.url ?? '/').split('?', 1)
    const name = route === undefined ? request.method : `${request.method} ${route}`
    const { span, inside } = startSpan(tracer, parent, name, {
      kind: SpanKind.SERVER,
      attributes: {
        'http.request.method': request.method,
        'url.path': path,
        ...(route !== undefined && { 'http.route': route }),
        'request.id': request.id,
      },
    })
    traced.run = (rest) => context.with(inside, rest)
    traced.traceId = span.spanContext().traceId
    reply.raw.once('close', () => {
      const finished = reply.raw.writableFinished
      if (finished) span.setAttribute('http.response.status_code', reply.raw.statusCode)
      if (!finished) span.setAttribute('error.type', 'client closed')
      if (!finished || reply.raw.statusCode >= 500) span.setStatus({ code: SpanStatusCode.ERROR })
      span.end()
    })
  })
  return () => {
    hot.stop()
    stop()
  }
}

/** One decision for each request: when a hot route has no reply ready, Fastify publishes the same request within the same turn. */
function listenToHot(head: HeadSampler) {
  let asked: IncomingMessage | undefined
  let isKept = false
  const stop = listen<HotTrace>('reference:http.hot', (hot) => {
    asked = hot.request
    isKept = head.keeps(carriedBy(hot.traceparent === undefined ? undefined : hot.request.headers))
    hot.isKept = isKept
  })
  return { stop, decisionOf: (request: IncomingMessage) => (request === asked ? isKept : undefined) }
}
