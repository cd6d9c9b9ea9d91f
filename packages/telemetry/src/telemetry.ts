import { channel } from 'node:diagnostics_channel'
import { context, propagation, trace } from '@opentelemetry/api'
import { AsyncLocalStorageContextManager } from '@opentelemetry/context-async-hooks'
import { W3CTraceContextPropagator } from '@opentelemetry/core'
import { OTLPTraceExporter } from '@opentelemetry/exporter-trace-otlp-http'
import { defaultResource, resourceFromAttributes } from '@opentelemetry/resources'
import { BatchSpanProcessor, TracerProvider } from '@opentelemetry/sdk-trace'
import manifest from '../package.json' with { type: 'json' }
import { createHeadSampler } from './head-sampler.ts'
import { nameLogLines } from './log-lines.ts'
import { createSampler } from './sampler.ts'
import { serviceName } from './service-name.ts'
import { traceJobs } from './traced-jobs.ts'
import { traceRequests } from './traced-requests.ts'
import { traceCache, traceDatabase } from './traced-stores.ts'
import { traceUpstream } from './traced-upstream.ts'

export interface Telemetry {
  /** Exports the remaining spans and stops listening. */
  close(): Promise<void>
}

/** Delay before spans are exported. With the SDK's 5 s a trace is not yet visible when a developer looks it up. */
const SEND_EVERY_MS = 1_000
/** Limit for the last export when the collector does not respond. */
const LAST_SEND_LIMIT_MS = 2_000

/**
 * Creates spans from the diagnostics channels of the packages and exports them by OTLP over HTTP. A package that was
 * loaded before this call publishes nothing.
 *
 * Settings have OpenTelemetry's own names: `OTEL_EXPORTER_OTLP_ENDPOINT` and its relatives (read by the exporter),
 * `OTEL_TRACES_SAMPLER`, `OTEL_TRACES_SAMPLER_ARG`, `OTEL_SERVICE_NAME`, `OTEL_SDK_DISABLED`.
 *
 * @param entry path of the file that the process runs; the service name is derived from it
 * @throws RangeError when the sampler or its argument is unknown
 */
export function startTelemetry(environment: NodeJS.ProcessEnv, entry: string | undefined): Telemetry {
  if (environment.OTEL_SDK_DISABLED === 'true') return { close: async () => {} }
  const sampler = createSampler(environment)
  const head = createHeadSampler(sampler)
  const provider = new TracerProvider({
    resource: defaultResource().merge(
      resourceFromAttributes({
        'service.name': environment.OTEL_SERVICE_NAME ?? serviceName(entry),
        'service.version': manifest.version,
      }),
    ),
    sampler,
    idGenerator: head.ids,
    spanProcessors: [
      new BatchSpanProcessor({ exporter: new OTLPTraceExporter(), scheduledDelayMillis: SEND_EVERY_MS }),
    ],
  })
  context.setGlobalContextManager(new AsyncLocalStorageContextManager().enable())
  propagation.setGlobalPropagator(new W3CTraceContextPropagator())
  trace.setGlobalTracerProvider(provider)

  const tracer = trace.getTracer('@reference/telemetry', manifest.version)
  const stops = [
    traceRequests(tracer, head),
    traceDatabase(tracer),
    traceCache(tracer),
    traceJobs(tracer),
    traceUpstream(tracer),
    nameLogLines(),
  ]
  const flush = () => provider.forceFlush({ timeoutMillis: LAST_SEND_LIMIT_MS }).catch(() => {})
  const flushOnClose = (waiting: unknown) => (waiting as Promise<void>[]).push(flush())
  channel('reference:http.closed').subscribe(flushOnClose)

  return {
    async close() {
      channel('reference:http.closed').unsubscribe(flushOnClose)
      for (const stop of stops) stop()
      await flush()
      await provider.shutdown()
    },
  }
}
