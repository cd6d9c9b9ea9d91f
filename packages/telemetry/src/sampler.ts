import { SpanKind, trace } from '@opentelemetry/api'
import {
  AlwaysOffSampler,
  AlwaysOnSampler,
  ParentBasedSampler,
  type Sampler,
  SamplingDecision,
  TraceIdRatioBasedSampler,
} from '@opentelemetry/sdk-trace'

/** Share of the traces that begin in this process. The caller has decided about a trace that it began. */
const DEFAULT_RATIO = 0.05

/**
 * Creates the sampler that `OTEL_TRACES_SAMPLER` names, as in OpenTelemetry's specification. The default keeps 5 % of the
 * traces that begin in this process.
 *
 * @throws RangeError when the name is unknown, or the argument is not a ratio
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
  return beginWithWork(name.startsWith('parentbased_') ? new ParentBasedSampler({ root }) : root)
}

/**
 * Lets only requests and jobs begin a trace. Pollers and circuit breakers issue several identical calls a second, which
 * would fill the trace store.
 */
function beginWithWork(sampler: Sampler): Sampler {
  return {
    shouldSample(context, traceId, name, kind, attributes, links) {
      const begins = trace.getSpanContext(context) === undefined
      if (begins && kind !== SpanKind.SERVER && kind !== SpanKind.CONSUMER) {
        return { decision: SamplingDecision.NOT_RECORD }
      }
      return sampler.shouldSample(context, traceId, name, kind, attributes, links)
    },
    toString: () => `BeginWithWork{${sampler.toString()}}`,
  }
}
