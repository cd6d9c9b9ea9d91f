import { type Server, startServer } from '../stack/server.ts'
import type { Sidecar, SidecarKind } from '../stack/sidecar.ts'
import type { Bench } from './bench.ts'
import type { Scenario, Variant } from './scenario.ts'

/** One fresh process to be measured. */
export interface BootPlan {
  readonly scenario: Scenario
  readonly variant: Variant
  readonly round: number
  /** Requests a second of the open loop; undefined: no open loop. */
  readonly rate: number | undefined
}

/** The processes of one boot. */
export interface RunningBoot {
  readonly server: Server
  /** Address for requests: the server's, or that of the proxy in front of it. */
  readonly origin: string
  readonly sidecars: readonly Sidecar[]
  readonly databaseUrl: string
}

/** Starts the processes of a boot and registers them with `processes`, which stops them. */
export async function startBoot(
  bench: Bench,
  { scenario, variant }: BootPlan,
  processes: AsyncDisposableStack,
): Promise<RunningBoot> {
  const { stack, load, placement, folder, signal } = bench
  const databaseUrl = variant.database
    ? await stack.copy(variant.database.name, variant.database.change)
    : stack.databaseUrl
  const startService = async (
    service: Scenario['service'],
    cores: readonly number[],
    settings: Readonly<Record<string, string>>,
  ) => {
    const environment = {
      ...stack.environment,
      DATABASE_URL: databaseUrl,
      ...settings,
    }
    return processes.adopt(await startServer({ service, environment, cores, folder, signal }), stop)
  }
  const startSidecar = async (kind: SidecarKind, behind: string) =>
    processes.adopt(await kind.start({ behind, stack, cores: placement.rest, folder, signal }), stop)

  const upstream = scenario.upstream && (await startService('reference-api', placement.rest, {}))
  const pooler = variant.pooler && (await startSidecar(variant.pooler, databaseUrl))
  const server = await startService(
    scenario.service,
    scenario.everyCore ? placement.threads : placement.server,
    {
      ...(upstream && { UPSTREAM_URL: upstream.origin }),
      ...(pooler && { DATABASE_URL: pooler.url, DATABASE_DIRECT_URL: databaseUrl }),
      ...variant.environment,
    },
  )
  const front = variant.front && (await startSidecar(variant.front, server.origin))
  const sidecars = [pooler, front].filter((sidecar) => sidecar !== undefined)
  load.reapOnExit({
    pids: [server.pid, ...(upstream ? [upstream.pid] : [])],
    containers: sidecars.map(({ container }) => container),
  })
  return { server, origin: front?.url ?? server.origin, sidecars, databaseUrl }
}

function stop(process: { stop(): Promise<void> }): Promise<void> {
  return process.stop()
}
