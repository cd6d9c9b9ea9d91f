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

t.test('one in twenty is kept, and its span gets the trace id that was decided on', async (t) => {
  const sampler = createSampler({})
  const head = createHeadSampler(sampler)
  let kept = 0
  for (let n = 0; n < 20_000; n++) {
    if (!head.keeps(ROOT_CONTEXT)) continue
    kept++
    // Again, as the tracer does with the id that it is given.
    const again = createHeadSampler({
      shouldSample: (context, _, ...rest) =>
        sampler.shouldSample(context, head.ids.generateTraceId(), ...rest),
      toString: () => '',
    })
    t.ok(again.keeps(ROOT_CONTEXT))
  }
  t.ok(kept > 800 && kept < 1_200, `${kept}`)
})

t.test('an id is used once, and not after a request that is not kept', async (t) => {
  const head = createHeadSampler(createSampler({ OTEL_TRACES_SAMPLER: 'always_on' }))
  t.ok(head.keeps(ROOT_CONTEXT))
  t.not(head.ids.generateTraceId(), head.ids.generateTraceId())
  const off = createHeadSampler(createSampler({ OTEL_TRACES_SAMPLER: 'always_off' }))
  t.notOk(off.keeps(ROOT_CONTEXT))
  t.match(off.ids.generateTraceId(), /^[0-9a-f]{32}$/)
})

t.test('whoever calls with a trace has decided', async (t) => {
  const head = createHeadSampler(createSampler({ OTEL_TRACES_SAMPLER_ARG: '0.5' }))
  for (let n = 0; n < 50; n++) {
    t.ok(head.keeps(carried(TraceFlags.SAMPLED)))
    t.notOk(head.keeps(carried(TraceFlags.NONE)))
  }
})
