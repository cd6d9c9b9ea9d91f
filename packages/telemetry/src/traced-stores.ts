import { SpanKind, type Tracer, trace } from '@opentelemetry/api'
import type { TracedCall } from '@reference/cache'
import type { TracedStatement } from '@reference/database'
import { listen } from './listen.ts'
import { endSpan } from './spans.ts'

/** Creates a span for each statement, named by it. The text holds placeholders, no values. */
export function traceDatabase(tracer: Tracer): () => void {
  return listen<TracedStatement>('reference:database.statement', (traced) => {
    if (!inKeptTrace()) return
    const span = tracer.startSpan(traced.statement, {
      kind: SpanKind.CLIENT,
      ...(traced.startedAt !== undefined && { startTime: traced.startedAt }),
      attributes: {
        'db.system.name': 'postgresql',
        'db.query.summary': traced.statement,
        'db.query.text': traced.text,
        'db.client.connection.pool.name': traced.pool,
      },
    })
    traced.end = (error, endedAt) => endSpan(span, error, endedAt)
  })
}

/** Creates a span for each operation of cache tier 2. A hit in tier 1 takes less time than a span would. */
export function traceCache(tracer: Tracer): () => void {
  return listen<TracedCall>('reference:cache.call', (traced) => {
    if (!inKeptTrace()) return
    const span = tracer.startSpan(`cache ${traced.operation}`, {
      kind: SpanKind.CLIENT,
      attributes: { 'db.system.name': 'redis', 'db.operation.name': traced.operation },
    })
    traced.end = (error) => endSpan(span, error)
  })
}

/** Most statements belong to requests that are not sampled, or to pollers: no span is created for them. */
function inKeptTrace(): boolean {
  return trace.getActiveSpan()?.isRecording() === true
}
