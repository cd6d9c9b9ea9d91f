import { isSpanContextValid, TraceFlags, trace } from '@opentelemetry/api'
import type { TracedLine } from '@reference/http'
import { listen } from './listen.ts'

/** Adds the trace and span id to each log line whose trace is kept. Ids of other traces could not be looked up. */
export function nameLogLines(): () => void {
  return listen<TracedLine>('reference:http.log', (line) => {
    const span = trace.getActiveSpan()?.spanContext()
    if (span === undefined || !isSpanContextValid(span) || !(span.traceFlags & TraceFlags.SAMPLED)) return
    line.traceId = span.traceId
    line.spanId = span.spanId
  })
}
