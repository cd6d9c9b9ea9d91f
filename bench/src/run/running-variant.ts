import { join } from 'node:path'
import type { ServiceName } from '@reference/shop/services'
import type { Request } from '../load/request.ts'
import { bundleFolder, type Server, startServer } from '../stack/server.ts'
import type { Sidecar, SidecarKind } from '../stack/sidecar.ts'
import { type BenchStack, withOwnRedis } from '../stack/stack.ts'
import { startTraceReceiver } from '../stack/trace-receiver.ts'
import type { Bench } from './bench.ts'
import type { Scenario, Variant } from './scenario.ts'

/** The processes of one variant. */
export interface RunningVariant {
  readonly variant: Variant
  readonly requests: readonly Request[]
  readonly server: Server
  /** Processes besides the server. */
  readonly otherPids: readonly number[]
  /** Address for requests: the server's, or that of the proxy in front of it. */
  readonly origin: string
  readonly sidecars: readonly Sidecar[]
  /** What counts its requests: the sidecars, and a collector of traces. */
  readonly counted: readonly Pick<Sidecar, 'counters'>[]
  readonly databaseUrl: string
  /** With the Redis of this variant. */
  readonly stack: BenchStack
}

/** Starts the processes of a variant and registers them with `processes`, which stops them. */
export async function startVariant(
  bench: Bench,
  scenario: Scenario,
  variant: Variant,
  processes: AsyncDisposableStack,
): Promise<RunningVariant> {
  const { placement, folder, build, signal } = bench
  const stack = variant.ownRedis ? await withOwnRedis(bench.stack, processes) : bench.stack
  const databaseUrl = variant.database
    ? await stack.copy(variant.database.name, variant.database.change)
    : stack.databaseUrl
  const startService = async (
    service: ServiceName,
    cores: readonly number[],
    settings: Readonly<Record<string, string>>,
  ) => {
    const environment = { ...stack.environment, DATABASE_URL: databaseUrl, ...settings }
    return processes.adopt(await startServer({ service, environment, cores, folder, build, signal }), stop)
  }
  const startSidecar = async (kind: SidecarKind, behind: string) =>
    processes.adopt(await kind.start({ behind, stack, cores: placement.rest, folder, signal }), stop)

  const upstream = scenario.upstream && (await startService('reference-api', placement.rest, {}))
  const pooler = variant.pooler && (await startSidecar(variant.pooler, databaseUrl))
  const receiver =
    variant.tracesKept === undefined ? undefined : processes.adopt(await startTraceReceiver(), stop)
  const server = await startService(
    scenario.service,
    scenario.everyCore ? placement.threads : placement.server,
    {
      ...(upstream && { UPSTREAM_URL: upstream.origin }),
      ...(pooler && { DATABASE_URL: pooler.url, DATABASE_DIRECT_URL: databaseUrl }),
      ...variant.environment,
      ...(receiver && tracing(scenario.service, variant, receiver.url, folder)),
    },
  )
  const front = variant.front && (await startSidecar(variant.front, server.origin))
  const sidecars = [pooler, front].filter((sidecar) => sidecar !== undefined)
  return {
    variant,
    requests: (variant.requests ?? scenario.requests)(stack.dataset),
    server,
    otherPids: upstream ? [upstream.pid] : [],
    origin: front?.url ?? server.origin,
    sidecars,
    counted: receiver ? [...sidecars, receiver] : sidecars,
    databaseUrl,
    stack,
  }
}

/** The settings that a deployment has for tracing. */
function tracing(
  service: ServiceName,
  { tracesKept = 0, environment }: Variant,
  endpoint: string,
  folder: string,
): Record<string, string> {
  const preload = `--import ${join(bundleFolder(folder), service, 'telemetry.js')}`
  return {
    NODE_OPTIONS: [environment.NODE_OPTIONS, preload].filter(Boolean).join(' '),
    OTEL_EXPORTER_OTLP_ENDPOINT: endpoint,
    OTEL_TRACES_SAMPLER_ARG: String(tracesKept),
  }
}

async function stop(process: { stop(): Promise<unknown> }): Promise<void> {
  await process.stop()
}
