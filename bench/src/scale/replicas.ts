import { abortable } from '@reference/async'
import { type DuetBoot, type DuetDurations, measureDuet } from '../duet/measure.ts'
import { httpSide } from '../duet/sides.ts'
import { rateOf, ratiosOf } from '../duet/slice.ts'
import { isCounted } from '../duet/summary.ts'
import type { ReplicaResult } from '../report/scale-schema.ts'
import type { Bench } from '../run/bench.ts'
import { pullImage, whyNoContainers } from '../stack/docker.ts'
import { NGINX_IMAGE, startNginx } from '../stack/nginx.ts'
import { type Server, startServer } from '../stack/server.ts'
import { effectOfTurns, mean } from '../stats/effect.ts'
import { multiple } from './multiple.ts'

/** A page that costs a replica far more than nginx, so that the replicas are the limit. No two requests share a reply. */
const ENVIRONMENT = { CACHE_PAGE_TTL_MS: '0', COMPRESSION: 'off', SHARED_READS: 'off' }
const REQUESTS = [{ path: '/orders?limit=100' }]
const CONNECTIONS = 48
const NONE = { ratio: 1, low: 1, high: 1 }

/**
 * How the throughput through nginx grows with the number of replicas.
 *
 * Measures 1, 2, 3 … replicas behind one nginx, as many as the machine has cores for: each replica has a core of its own, and one
 * is left for the generator, the databases and nginx.
 */
export async function measureReplicas(
  bench: Bench,
  counts: readonly number[],
  { boots, durations }: { boots: number; durations: DuetDurations },
): Promise<ReplicaResult[]> {
  const { placement, signal } = bench
  const cores = placement.server.length + placement.rest.length
  const reason = whyNoContainers() ?? (await pullImage(NGINX_IMAGE, signal))
  const notRun = (replicas: number) =>
    reason ?? (replicas < cores ? undefined : `needs ${replicas + 1} cores, this machine has ${cores}`)
  const possible = counts.filter((count) => notRun(count) === undefined)
  const rows: DuetBoot[] = []
  for (let boot = 0; boot < boots && possible.length > 0; boot++) {
    rows.push(await measureBoot(bench, possible, durations, boot))
  }
  return counts.map((replicas) => {
    const side = possible.indexOf(replicas)
    if (side < 0) return { replicas, notRun: notRun(replicas) ?? '', ratePerSecond: 0, gain: NONE }
    const own = rows.flatMap(({ sides }) => sides[side] ?? [])
    const counted = own.filter(isCounted)
    const rates = (counted.length > 0 ? counted : own).flatMap(({ slices }) => slices.map(rateOf))
    return {
      replicas,
      ratePerSecond: mean(rates),
      gain: side === 0 ? NONE : multiple(effectOfTurns(gainsOf(rows, side))),
    }
  })
}

/** The ratios to one replica, turn by turn, in each boot that counts for both. */
function gainsOf(boots: readonly DuetBoot[], side: number): number[][] {
  return boots.flatMap(({ sides }) => {
    const [one, several] = [sides[0], sides[side]]
    if (one === undefined || several === undefined || !isCounted(one) || !isCounted(several)) return []
    return [ratiosOf(several.slices, one.slices, rateOf)]
  })
}

async function measureBoot(
  bench: Bench,
  counts: readonly number[],
  durations: DuetDurations,
  boot: number,
): Promise<DuetBoot> {
  const { stack, load, placement, folder, signal } = bench
  await using processes = new AsyncDisposableStack()
  processes.defer(() => load.reapOnExit({}))
  const servers: Server[] = []
  const containers: string[] = []
  const reapStarted = () => load.reapOnExit({ pids: servers.map(({ pid }) => pid), containers })
  const cores = [...placement.server, ...placement.rest]
  for (const core of cores.slice(0, Math.max(...counts))) {
    const environment = {
      ...stack.environment,
      ...ENVIRONMENT,
    }
    const server = await startServer({
      service: 'reference-api',
      environment,
      cores: [core],
      folder,
      signal,
    })
    servers.push(processes.adopt(server, (each) => each.stop()))
    reapStarted()
  }
  const sides = []
  for (const count of counts) {
    const behind = servers.slice(0, count).map(({ origin }) => origin)
    const nginx = await startNginx({ behind, cores: placement.rest, folder, signal })
    containers.push(processes.adopt(nginx, (each) => each.stop()).container)
    reapStarted()
    const target = { origin: nginx.url, pid: servers[0]?.pid ?? 0 }
    const side = httpSide(load, target, { connections: CONNECTIONS, requests: REQUESTS })
    sides.push(processes.adopt(side, (each) => each.close()))
  }
  // With `await`: the processes stop when this function returns.
  return await abortable(measureDuet(sides, durations, { boot, fixedRate: () => 1 }), signal)
}
