import { setTimeout as sleep } from 'node:timers/promises'
import { docker } from './docker.ts'
import { failuresOf, type Requests, requestsOf } from './error-rate.ts'
import { Failure } from './failure.ts'
import { APIS, type Api, type Container, type Production } from './production.ts'
import { waitFor } from './wait-for.ts'

export interface DeployOptions {
  /** An image tag that exists; without it the images are built from the sources beside this file. */
  tag?: string
  /** How long the new replicas have until they must be ready for the deploy to go on. */
  readyTimeoutMs?: number
  /** How long errors of the new replicas are watched, before the first old one stops and after each. */
  watchMs?: number
  log: (line: string) => void
}

/**
 * Puts a release into service while the one before serves: as many new replicas beside the old ones, and when all are
 * ready the old ones stop, one of each API at a time. When the new ones are not ready in time, or answer more than 1 % of their requests
 * with 5xx, the old ones are back and the new ones gone before this rejects.
 */
export async function deploy(production: Production, options: DeployOptions): Promise<void> {
  const { readyTimeoutMs = 120_000, watchMs = 5000, log } = options
  const tag = options.tag ?? `release-${new Date().toISOString().replaceAll(/\D/g, '').slice(0, 14)}`
  const env = { TAG: tag }
  if (options.tag === undefined) await production.compose(['build', ...APIS], { show: true, env })

  log(`schema of ${tag}`)
  await production
    .compose(['run', '--rm', '--no-deps', 'migrate'], { show: true, env })
    .catch(() => notInService(tag, 'its migrations failed'))

  const old = await all(production)
  const before = new Set((await all(production, { all: true })).map(({ id }) => id))
  const fresh: Container[] = []
  const stopped: Container[] = []
  try {
    await scaleOut(production, env, old).finally(async () => {
      // Those as well that have ended already, or are being started again.
      const there = await all(production, { all: true })
      fresh.push(...there.filter(({ id }) => !before.has(id)))
    })
    log(`${fresh.length} new replicas beside ${old.length}`)
    await waitFor('the new replicas are ready', readyTimeoutMs, () => ready(production, fresh))
    await watch(production, fresh, watchMs)
    for (const round of rounds(old)) {
      log(`stops ${round.map(({ name }) => name).join(', ')}`)
      stopped.push(...round)
      await Promise.all(round.map(({ id }) => docker(['stop', id])))
      await watch(production, fresh, watchMs / 2)
    }
  } catch (error) {
    log(`goes back: ${error instanceof Error ? error.message : error}`)
    await goBack(production, fresh, stopped)
    notInService(tag, error instanceof Error ? error.message : String(error))
  }
  production.state.set('TAG', tag)
  await Promise.all(stopped.map(({ id }) => docker(['rm', id])))
  await production.compose(
    ['up', '--detach', '--no-build', '--no-deps', '--wait', '--wait-timeout', '120', 'worker'],
    { show: true },
  )
  log(`${tag} is in service`)
}

function notInService(tag: string, reason: string): never {
  throw new Failure(`${tag} is not in service; the release before it is: ${reason}`)
}

/** One of each API at a time. */
function rounds(containers: readonly Container[]): Container[][] {
  const byApi = APIS.map((api) => containers.filter(({ name }) => name.includes(api)))
  const longest = Math.max(...byApi.map((list) => list.length))
  return Array.from({ length: longest }, (_, index) => byApi.flatMap((list) => list.slice(index, index + 1)))
}

/** Containers that are there stay as they are; those that are added are of the new release. */
function scaleOut(production: Production, env: Record<string, string>, old: Container[]): Promise<string> {
  const counts = APIS.map((api) => `${api}=${2 * old.filter(({ name }) => name.includes(api)).length}`)
  const scales = counts.flatMap((count) => ['--scale', count])
  return production.compose(
    ['up', '--detach', '--no-build', '--no-deps', '--no-recreate', ...scales, ...APIS],
    { show: true, env },
  )
}

async function all(production: Production, options: { all?: boolean } = {}): Promise<Container[]> {
  const lists = await Promise.all(APIS.map((api: Api) => production.containers(api, options)))
  return lists.flat()
}

async function ready(production: Production, containers: readonly Container[]): Promise<boolean> {
  const running = new Set((await all(production)).map(({ id }) => id))
  const gone = containers.find(({ id }) => !running.has(id))
  if (gone) throw new Failure(`${gone.name} ended`)
  for (const container of containers) {
    if ((await production.ask(container, '/ready'))?.status !== 200) return false
  }
  return containers.length > 0
}

async function watch(production: Production, fresh: readonly Container[], ms: number): Promise<void> {
  const before = await requests(production, fresh)
  await sleep(ms)
  const { failed, total } = failuresOf(before, await requests(production, fresh))
  if (failed >= 5 && failed > total / 100) throw new Failure(`${failed} of ${total} requests failed`)
  if (!(await ready(production, fresh))) throw new Failure('a new replica is no longer ready')
}

async function requests(production: Production, containers: readonly Container[]): Promise<Requests> {
  const pages = await Promise.all(containers.map((container) => production.ask(container, '/metrics')))
  return requestsOf(pages.map((page) => page?.body ?? ''))
}

async function goBack(
  production: Production,
  fresh: readonly Container[],
  stopped: readonly Container[],
): Promise<void> {
  for (const { id } of stopped) await docker(['start', id])
  await waitFor('the old replicas are ready', 60_000, async () =>
    stopped.length === 0 ? true : ready(production, stopped),
  )
  for (const { id } of fresh) {
    await docker(['stop', id])
    await docker(['rm', id])
  }
}
