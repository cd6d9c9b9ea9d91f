import { SpanKind, trace } from '@opentelemetry/api'
import {
  AlwaysOffSampler,
  AlwaysOnSampler,
  ParentBasedSampler,
  type Sampler,
  SamplingDecision,
  TraceIdRatioBasedSampler,
} from '@opentelemetry/sdk-trace'

/** Of traces that begin here; one that was begun elsewhere is kept or not as it was decided there. */
const DEFAULT_RATIO = 0.05

/**
 * `OTEL_TRACES_SAMPLER` as the specification names them; without it 5 % of the traces that begin here.
 *
 * @throws RangeError when it is none of the names, or its argument no ratio
 */
export function createSampler({ OTEL_TRACES_SAMPLER, OTEL_TRACES_SAMPLER_ARG }: NodeJS.ProcessEnv): Sampler {
  const name = OTEL_TRACES_SAMPLER || 'parentbased_traceidratio'
  const ratio = OTEL_TRACES_SAMPLER_ARG ? Number(OTEL_TRACES_SAMPLER_ARG) : DEFAULT_RATIO
  if (!(ratio >= 0 && ratio <= 1)) {
    throw new RangeError(`OTEL_TRACES_SAMPLER_ARG is a ratio from 0 to 1, not ${OTEL_TRACES_SAMPLER_ARG}.`)
  }
  const roots: Record<string, () => Sampler> = {
    always_on: () => new AlwaysOnSampler(),
    always_off: () => new AlwaysOffSampler(),
    traceidratio: () => new TraceIdRatioBasedSampler(ratio),
  }
  const root = roots[name.replace(/^parentbased_/, '')]?.()
  if (root === undefined) throw new RangeError(`OTEL_TRACES_SAMPLER has no sampler '${name}'.`)
  return begunByWork(name.startsWith('parentbased_') ? new ParentBasedSampler({ root }) : root)
}

/**
 * A trace begins with a request or a job. The statement of a poller or the check of a breaker is not worth one: there
 * are some of them each second, all alike.
 */
function begunByWork(sampler: Sampler): Sampler {
  return {
    shouldSample(context, traceId, name, kind, attributes, links) {
      const begins = trace.getSpanContext(context) === undefined
      if (begins && kind !== SpanKind.SERVER && kind !== SpanKind.CONSUMER) {
        return { decision: SamplingDecision.NOT_RECORD }
      }
      return sampler.shouldSample(context, traceId, name, kind, attributes, links)
    },
    toString: () => `BegunByWork{${sampler.toString()}}`,
  }
}
