import { SpanKind, type Tracer, trace } from '@opentelemetry/api'
import type { TracedCall } from '@reference/cache'
import type { TracedStatement } from '@reference/database'
import { listen } from './listen.ts'
import { endSpan } from './spans.ts'

/** A span for each statement, by its name. Its text has places for values, and no value. */
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

/** A span for each operation of cache tier 2. Tier 1 has none: a hit there takes less than a span. */
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

/** Looked at before a span is made: most are of requests that are not kept, or of a poller's round. */
const inKeptTrace = () => trace.getActiveSpan()?.isRecording() === true
