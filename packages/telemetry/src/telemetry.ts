import { channel } from 'node:diagnostics_channel'
import { context, propagation, trace } from '@opentelemetry/api'
import { AsyncLocalStorageContextManager } from '@opentelemetry/context-async-hooks'
import { W3CTraceContextPropagator } from '@opentelemetry/core'
import { OTLPTraceExporter } from '@opentelemetry/exporter-trace-otlp-http'
import { defaultResource, resourceFromAttributes } from '@opentelemetry/resources'
import { BatchSpanProcessor, TracerProvider } from '@opentelemetry/sdk-trace'
import manifest from '../../../package.json' with { type: 'json' }
import { createHeadSampler } from './head-sampler.ts'
import { nameLogLines } from './log-lines.ts'
import { createSampler } from './sampler.ts'
import { serviceName } from './service-name.ts'
import { traceCache, traceDatabase } from './stores.ts'
import { traceJobs } from './traced-jobs.ts'
import { traceRequests } from './traced-requests.ts'
import { traceUpstream } from './upstream.ts'

export type Telemetry = {
  /** Sends what is held, and ends. */
  close(): Promise<void>
}

/** How long a span waits to be sent. The SDK's own 5 s is long for who looks at a trace right after its request. */
const SEND_EVERY_MS = 1_000
/** How long the end of a process may wait for a collector that does not answer. */
const LAST_SEND_LIMIT_MS = 2_000

/**
 * Makes spans of what the packages tell on their diagnostics channels, and sends them by OTLP over HTTP. Whoever is
 * loaded before this has begun stays silent.
 *
 * Read from the environment, by OpenTelemetry's own names: `OTEL_EXPORTER_OTLP_ENDPOINT` and its kin (by the exporter),
 * `OTEL_TRACES_SAMPLER`, `OTEL_TRACES_SAMPLER_ARG`, `OTEL_SERVICE_NAME`, `OTEL_SDK_DISABLED`.
 *
 * @param entry the file that the process runs, for the service's name
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
  const flushAtTheEnd = (waiting: unknown) => (waiting as Promise<void>[]).push(flush())
  channel('reference:http.closed').subscribe(flushAtTheEnd)

  return {
    async close() {
      channel('reference:http.closed').unsubscribe(flushAtTheEnd)
      for (const stop of stops) stop()
      await flush()
      await provider.shutdown()
    },
  }
}
