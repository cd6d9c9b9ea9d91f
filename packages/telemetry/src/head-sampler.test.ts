import { ROOT_CONTEXT, TraceFlags, trace } from '@opentelemetry/api'
import t from 'tap'
import { createHeadSampler } from './head-sampler.ts'
import { createSampler } from './sampler.ts'

const carried = (traceFlags: TraceFlags) =>
  trace.setSpanContext(ROOT_CONTEXT, {
    traceId: 'a'.repeat(32),
    spanId: '1'.repeat(16),
    traceFlags,
    isRemote: true,
  })

t.test('5 % are kept, and the span gets the trace id of the decision', async (t) => {
  const sampler = createSampler({})
  const head = createHeadSampler(sampler)
  let kept = 0
  for (let n = 0; n < 20_000; n++) {
    if (!head.keeps(ROOT_CONTEXT)) continue
    kept++
    // The tracer asks the sampler again with the generated id.
    const again = createHeadSampler({
      shouldSample: (context, _, ...rest) =>
        sampler.shouldSample(context, head.ids.generateTraceId(), ...rest),
      toString: () => '',
    })
    t.ok(again.keeps(ROOT_CONTEXT))
  }
  t.ok(kept > 800 && kept < 1_200, `${kept}`)
})

t.test('a trace id is used once, and discarded when the request is not kept', async (t) => {
  const head = createHeadSampler(createSampler({ OTEL_TRACES_SAMPLER: 'always_on' }))
  t.ok(head.keeps(ROOT_CONTEXT))
  t.not(head.ids.generateTraceId(), head.ids.generateTraceId())
  const off = createHeadSampler(createSampler({ OTEL_TRACES_SAMPLER: 'always_off' }))
  t.notOk(off.keeps(ROOT_CONTEXT))
  t.match(off.ids.generateTraceId(), /^[0-9a-f]{32}$/)
})

t.test('the sampling decision of the caller is kept', async (t) => {
  const head = createHeadSampler(createSampler({ OTEL_TRACES_SAMPLER_ARG: '0.5' }))
  for (let n = 0; n < 50; n++) {
    t.ok(head.keeps(carried(TraceFlags.SAMPLED)))
    t.notOk(head.keeps(carried(TraceFlags.NONE)))
  }
})
