import { isSpanContextValid, TraceFlags, trace } from '@opentelemetry/api'
import type { TracedLine } from '@reference/http'
import { listen } from './listen.ts'

/** The ids of the trace in whose context a line is written, when that trace is kept: others lead nowhere. */
export function nameLogLines(): () => void {
  return listen<TracedLine>('reference:http.log', (line) => {
    const span = trace.getActiveSpan()?.spanContext()
    if (span === undefined || !isSpanContextValid(span) || !(span.traceFlags & TraceFlags.SAMPLED)) return
    line.traceId = span.traceId
    line.spanId = span.spanId
  })
}
