import { context, SpanKind, SpanStatusCode, type Tracer, trace } from '@opentelemetry/api'
import type { TracedJob } from '@reference/jobs'
import { listen } from './listen.ts'
import { carriedBy, endSpan, startSpan } from './spans.ts'

/**
 * Creates a span for each run of a handler, in the trace that enqueued the job. The span of pg-boss is its parent if it
 * belongs to that trace, and a link if it covers several jobs.
 */
export function traceJobs(tracer: Tracer): () => void {
  return listen<TracedJob>('reference:jobs.run', (traced) => {
    const active = context.active()
    const around = trace.getSpanContext(active)
    const stored = carriedBy(traced.carrier)
    const nested = around !== undefined && around.traceId === trace.getSpanContext(stored)?.traceId
    traced.run = async (handle) => {
      const { span, inside } = startSpan(tracer, nested ? active : stored, `handle ${traced.queue}`, {
        kind: SpanKind.CONSUMER,
        attributes: {
          'messaging.system': 'pg-boss',
          'messaging.operation.type': 'process',
          'messaging.destination.name': traced.queue,
          'messaging.message.id': traced.id,
          'job.attempt': traced.attempt,
        },
        ...(around !== undefined && !nested && { links: [{ context: around }] }),
      })
      if (span.isRecording()) traced.traceId = span.spanContext().traceId
      try {
        const result = await context.with(inside, handle)
        if (isFailure(result)) span.setStatus({ code: SpanStatusCode.ERROR })
        span.end()
        return result
      } catch (error) {
        endSpan(span, error)
        throw error
      }
    }
  })
}

/** The outcome, not an exception, reports a handler that threw. */
function isFailure(result: unknown): boolean {
  if (typeof result !== 'object' || result === null) return false
  return Reflect.get(result, 'status') !== 'completed'
}
