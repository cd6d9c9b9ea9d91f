import { hash } from 'node:crypto'
import { ROOT_CONTEXT, SpanKind, TraceFlags, trace } from '@opentelemetry/api'
import { SamplingDecision } from '@opentelemetry/sdk-trace'
import t from 'tap'
import { createSampler } from './sampler.ts'

const traceIds = Array.from({ length: 20_000 }, (_, n) => hash('md5', `${n}`))
const [someId = ''] = traceIds

/** Share of traces that the sampler keeps. */
function kept(environment: NodeJS.ProcessEnv, kind: SpanKind, calledBy?: 'sampled' | 'unsampled'): number {
  const sampler = createSampler(environment)
  const traceFlags = calledBy === 'sampled' ? TraceFlags.SAMPLED : TraceFlags.NONE
  const caller = { traceId: someId, spanId: '1'.repeat(16), traceFlags, isRemote: true }
  const context = calledBy === undefined ? ROOT_CONTEXT : trace.setSpanContext(ROOT_CONTEXT, caller)
  const decisions = traceIds.map(
    (traceId) => sampler.shouldSample(context, traceId, 'any', kind, {}, []).decision,
  )
  const recorded = decisions.filter((decision) => decision === SamplingDecision.RECORD_AND_SAMPLED)
  return recorded.length / decisions.length
}

t.test('5 % of the traces that begin here are kept, unless the settings change that', async (t) => {
  for (const kind of [SpanKind.SERVER, SpanKind.CONSUMER]) {
    const share = kept({}, kind)
    t.ok(share > 0.04 && share < 0.06, `${share}`)
  }
  const half = kept({ OTEL_TRACES_SAMPLER_ARG: '0.5' }, SpanKind.SERVER)
  t.ok(half > 0.48 && half < 0.52, `${half}`)
  t.equal(kept({ OTEL_TRACES_SAMPLER: 'always_on' }, SpanKind.SERVER), 1)
  t.equal(kept({ OTEL_TRACES_SAMPLER: 'always_off' }, SpanKind.SERVER), 0)
})

t.test('the sampling decision of the caller is kept', async (t) => {
  t.equal(kept({}, SpanKind.SERVER, 'sampled'), 1)
  t.equal(kept({}, SpanKind.SERVER, 'unsampled'), 0)
})

t.test('a statement begins no trace, but joins one', async (t) => {
  t.equal(kept({ OTEL_TRACES_SAMPLER: 'always_on' }, SpanKind.CLIENT), 0)
  t.equal(kept({ OTEL_TRACES_SAMPLER: 'always_on' }, SpanKind.CLIENT, 'sampled'), 1)
})

t.test('an unknown sampler or ratio is refused', async (t) => {
  t.throws(() => createSampler({ OTEL_TRACES_SAMPLER: 'sometimes' }), { message: /sometimes/ })
  t.throws(() => createSampler({ OTEL_TRACES_SAMPLER_ARG: '5' }), { message: /from 0 to 1/ })
})
