import { type Context, SpanKind, trace } from '@opentelemetry/api'
import { type IdGenerator, RandomIdGenerator, type Sampler, SamplingDecision } from '@opentelemetry/sdk-trace'

/** Decides about a request before anything is made for it: of twenty, nineteen need no span, no context and no listener. */
export interface HeadSampler {
  /**
   * Whether the trace of a request is kept. If so its span has to be started next: it gets the trace id that was decided on.
   *
   * @param parent what the request brought along
   */
  keeps(parent: Context): boolean
  /** For the tracer provider. */
  readonly ids: IdGenerator
}

/** @param sampler has to decide the same of the same trace id, as those of the specification do: it is asked again at the span */
export function createHeadSampler(sampler: Sampler): HeadSampler {
  const random = new RandomIdGenerator()
  let decided: string | undefined
  return {
    keeps(parent) {
      decided = undefined
      const carried = trace.getSpanContext(parent)?.traceId
      const traceId = carried ?? random.generateTraceId()
      const { decision } = sampler.shouldSample(parent, traceId, 'request', SpanKind.SERVER, {}, [])
      if (decision === SamplingDecision.NOT_RECORD) return false
      if (carried === undefined) decided = traceId
      return true
    },
    ids: {
      generateTraceId() {
        const traceId = decided ?? random.generateTraceId()
        decided = undefined
        return traceId
      },
      generateSpanId: () => random.generateSpanId(),
    },
  }
}
