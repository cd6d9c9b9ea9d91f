import { CommandError } from '@reference/cli'
import { docker } from './docker.ts'
import { isWorse, type Requests, requestsOf, since } from './error-rate.ts'
import { build, haveImages } from './images.ts'
import { APIS, type Container, type Production } from './production.ts'
import { pause, waitFor } from './wait-for.ts'

export interface DeployOptions {
  /** An image tag that exists; without it the images are built from the sources beside this file. */
  tag?: string
  /** How long the new replicas have until they must be ready for the deploy to go on. */
  readyTimeoutMs?: number
  /** How long errors are watched when the first new replica is ready, and when all are; half as long after each old one. */
  watchMs?: number
  /** Goes back when it is aborted. */
  signal?: AbortSignal
  log: (line: string) => void
}

/**
 * Puts a release into service while the one before serves: one new replica of each API, when that does well the others, and
 * when all do the old ones stop, one of each API at a time. When a new one is not ready in time, ends, or they answer more 5xx
 * than the old ones beside them, the old ones are back and the new ones gone before this rejects.
 */
export async function deploy(production: Production, options: DeployOptions): Promise<void> {
  const { readyTimeoutMs = 120_000, watchMs = 5000, signal, log } = options
  await recover(production, log)
  const old = await replicas(production)
  if (old.length === 0) throw new CommandError('nothing runs that could be replaced: pnpm prod up')
  const tag = options.tag ?? `release-${new Date().toISOString().replaceAll(/\D/g, '').slice(0, 14)}`
  if (options.tag === undefined) await build(production, tag)
  else await haveImages(tag)

  log(`schema of ${tag}`)
  await production
    .compose(['run', '--rm', '--no-deps', 'migrate'], { show: true, env: { TAG: tag } })
    .catch(() => notInService(tag, 'its migrations failed'))

  production.state.setDeployment({ tag, old: old.map(({ id }) => id), inService: false })
  const stopped: Container[] = []
  try {
    let fresh: Container[] = []
    let expected: Requests | undefined
    // One first: of a release that does not start or fails, nginx meets one, and many that start at once take all cores.
    for (const count of new Set([1, production.replicas()])) {
      fresh = await scaleOut(production, tag, old, count)
      log(`${fresh.length} new replicas beside ${old.length}`)
      await waitFor('the new replicas are ready', readyTimeoutMs, () => ready(production, fresh), { signal })
      expected = await watch(production, { fresh, old, ms: watchMs, signal })
    }
    for (const round of rounds(old)) {
      log(`stops ${round.map(({ name }) => name).join(', ')}`)
      stopped.push(...round)
      await Promise.all(round.map(({ id }) => docker(['stop', id])))
      await watch(production, { fresh, expected, ms: watchMs / 2, signal })
    }
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error)
    log(`goes back: ${reason}`)
    await goBack(production, new Set(old.map(({ id }) => id)), stopped).catch((cause) => {
      throw new CommandError(
        `${reason}; and the way back failed, deploy, scale or up tries it again: ${cause.message}`,
      )
    })
    notInService(tag, reason)
  }
  await settle(production, tag)
  log(`${tag} is in service`)
}

/** What a deploy that was killed has left: the release that was in service by then stays, the other one goes. */
export async function recover(production: Production, log: (line: string) => void): Promise<void> {
  const open = production.state.deployment()
  if (open === undefined) return
  const old = new Set(open.old)
  const there = await replicas(production)
  if (there.length === 0) {
    production.state.setDeployment(undefined)
  } else if (open.inService) {
    log(`ends the deploy of ${open.tag} that broke off`)
    await settle(production, open.tag)
  } else {
    log(`undoes the deploy of ${open.tag} that broke off`)
    const running = new Set((await replicas(production, { running: true })).map(({ id }) => id))
    const stopped = there.filter(({ id }) => old.has(id) && !running.has(id))
    await goBack(production, old, stopped)
  }
}

/** From here on the new release is the one that everything else starts. */
async function settle(production: Production, tag: string): Promise<void> {
  const { state } = production
  const old = new Set(state.deployment()?.old)
  state.setDeployment({ tag, old: [...old], inService: true })
  state.set('TAG', tag)
  for (const { id } of await replicas(production)) if (old.has(id)) await docker(['rm', '--force', id])
  const line = ['up', '--detach', '--no-build', '--no-deps', '--wait', '--wait-timeout', '120', 'worker']
  await production.compose(line, { show: true }).catch(() => {
    throw new CommandError(`${tag} is in service, but its worker did not start: pnpm prod logs worker`)
  })
  state.setDeployment(undefined)
}

function notInService(tag: string, reason: string): never {
  throw new CommandError(`${tag} is not in service; the release before it is: ${reason}`)
}

/** One of each API at a time. */
function rounds(containers: readonly Container[]): Container[][] {
  const byApi = APIS.map((api) => containers.filter(({ service }) => service === api))
  const longest = Math.max(...byApi.map((list) => list.length))
  return Array.from({ length: longest }, (_, index) => byApi.flatMap((list) => list.slice(index, index + 1)))
}

/**
 * Adds replicas of the new release until there are `count` of each API; containers that are there stay as they are. Containers of
 * the old release count whether they run or not, so that a crash-looping release can be replaced.
 *
 * @returns all of the new release
 */
async function scaleOut(
  production: Production,
  tag: string,
  old: readonly Container[],
  count: number,
): Promise<Container[]> {
  const scales = APIS.flatMap((api) => [
    '--scale',
    `${api}=${old.filter(({ service }) => service === api).length + count}`,
  ])
  const before = new Set(old.map(({ id }) => id))
  await production.compose(
    ['up', '--detach', '--no-build', '--no-deps', '--no-recreate', ...scales, ...APIS],
    { show: true, env: { TAG: tag } },
  )
  // Those as well that have ended already, or are being started again.
  const fresh = (await replicas(production)).filter(({ id }) => !before.has(id))
  if (fresh.length === 0) throw new CommandError('no new replica was started')
  return fresh
}

/** All containers, or only the running ones. */
async function replicas(production: Production, { running = false } = {}): Promise<Container[]> {
  const lists = await Promise.all(APIS.map((api) => production.containers(api, { all: !running })))
  return lists.flat()
}

async function ready(production: Production, containers: readonly Container[]): Promise<boolean> {
  // The engine starts one that ended anew, so that it runs again when it is looked at.
  const states = await docker([
    'inspect',
    '--format',
    '{{.Name}}\t{{.State.Running}}\t{{.RestartCount}}',
    ...containers.map(({ id }) => id),
  ])
  for (const line of states.split('\n')) {
    const [name = '', running, restarts] = line.split('\t')
    if (running !== 'true' || restarts !== '0') throw new CommandError(`${name.slice(1)} ended`)
  }
  for (const container of containers) {
    if ((await production.ask(container, '/ready'))?.status !== 200) return false
  }
  return true
}

interface Watched {
  fresh: readonly Container[]
  /** Containers of the old release, as the reference … */
  old?: readonly Container[]
  /** … or, when they are stopping, what they answered before. */
  expected?: Requests | undefined
  ms: number
  signal?: AbortSignal | undefined
}

/** @returns what the old ones answered */
async function watch(production: Production, watched: Watched): Promise<Requests> {
  const { fresh, old = [], ms, signal } = watched
  const before = await Promise.all([requests(production, fresh), requests(production, old)])
  const until = performance.now() + ms
  let expected: Requests
  do {
    // More often than once: who gets an error waits for the way back.
    await pause(Math.min(1000, ms), signal)
    const after = await Promise.all([requests(production, fresh), requests(production, old)])
    const seen = since(before[0], after[0])
    expected = watched.expected ?? since(before[1], after[1])
    if (isWorse(seen, expected))
      throw new CommandError(`the new replicas failed ${of(seen)}, the old ones ${of(expected)}`)
  } while (performance.now() < until)
  if (!(await ready(production, fresh))) throw new CommandError('a new replica is no longer ready')
  return expected
}

function of({ failed, total }: Requests): string {
  return `${failed} of ${total} requests`
}

async function requests(production: Production, containers: readonly Container[]): Promise<Requests> {
  const pages = await Promise.all(containers.map((container) => production.ask(container, '/metrics')))
  return requestsOf(pages.map((page) => page?.body ?? ''))
}

/** The old ones that were stopped are ready again before the new ones go. */
async function goBack(
  production: Production,
  old: ReadonlySet<string>,
  stopped: readonly Container[],
): Promise<void> {
  for (const { id } of stopped) await docker(['start', id])
  await waitFor('the old replicas are ready', 60_000, async () => {
    for (const container of stopped) {
      if ((await production.ask(container, '/ready'))?.status !== 200) return false
    }
    return true
  })
  const fresh = (await replicas(production)).filter(({ id }) => !old.has(id))
  await Promise.all(fresh.map(({ id }) => docker(['stop', id])))
  for (const { id } of fresh) await docker(['rm', id])
  production.state.setDeployment(undefined)
}
