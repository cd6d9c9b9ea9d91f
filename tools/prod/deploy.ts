import { CommandError } from '@reference/cli'
import { docker } from './docker.ts'
import { isWorse, type Requests, requestsOf, since } from './error-rate.ts'
import { build, haveImages } from './images.ts'
import { APIS, type Container, type Production } from './production.ts'
import { pause, waitFor } from './wait-for.ts'

export interface DeployOptions {
  /** Tag of existing images. Without it the images are built from the sources of this repository. */
  tag?: string
  /** Time limit for the new replicas to become ready. */
  readyTimeoutMs?: number
  /** How long errors are watched after the first new replica is ready, and after all are; half as long after each stop of an old one. */
  watchMs?: number
  /** Rolls back when aborted. */
  signal?: AbortSignal
  log: (line: string) => void
}

/**
 * Replaces a release while the previous one serves. Starts one new replica of each API, then the others, then stops the old
 * replicas, one of each API at a time. If a new replica is not ready in time, ends, or the new replicas answer more 5xx
 * than the old ones, it rolls back before it rejects: the old replicas run, and the new ones are removed.
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
    // Start one replica first. A faulty release then receives few requests, and many starts at once would take all cores.
    for (const count of new Set([1, production.replicas()])) {
      fresh = await scaleOut(production, tag, old, count)
      log(`${fresh.length} new replicas beside ${old.length}`)
      await waitFor('the new replicas are ready', () => ready(production, fresh), {
        timeoutMs: readyTimeoutMs,
        signal,
      })
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
    log(`rolls back: ${reason}`)
    await rollBack(production, new Set(old.map(({ id }) => id)), stopped).catch((cause) => {
      throw new CommandError(
        `${reason}; and the rollback failed: ${cause.message}. The next deploy, scale or up repeats it`,
      )
    })
    notInService(tag, reason)
  }
  await settle(production, tag)
  log(`${tag} is in service`)
}

/** Completes or rolls back a deploy that was killed: the release that was in service remains. */
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
    await rollBack(production, old, stopped)
  }
}

/** Makes the new release the one that later commands start, and removes the old containers. */
async function settle(production: Production, tag: string): Promise<void> {
  const { state } = production
  const old = new Set(state.deployment()?.old)
  state.setDeployment({ tag, old: [...old], inService: true })
  state.set('TAG', tag)
  for (const { id } of await replicas(production)) if (old.has(id)) await docker(['rm', '--force', id])
  // part:jobs
  const line = ['up', '--detach', '--no-build', '--no-deps', '--wait', '--wait-timeout', '120', 'worker']
  await production.compose(line, { show: true }).catch(() => {
    throw new CommandError(`${tag} is in service, but its worker did not start: pnpm prod logs worker`)
  })
  // end:jobs
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
 * Adds replicas of the new release until there are `count` of each API. Existing containers are not changed. Containers of
 * the old release count whether they run or not, so that a crash-looping release can be replaced.
 *
 * @returns all containers of the new release
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
  // Include containers that have already ended or are restarting.
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
  // The engine restarts a container that ended, so it may be running again at this check.
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
  /** Containers of the old release, whose error rate is the reference. */
  old?: readonly Container[]
  /** The reference while the old containers are stopping: their earlier answers. */
  expected?: Requests | undefined
  ms: number
  signal?: AbortSignal | undefined
}

/** @returns the requests of the old replicas */
async function watch(production: Production, watched: Watched): Promise<Requests> {
  const { fresh, old = [], ms, signal } = watched
  const before = await Promise.all([requests(production, fresh), requests(production, old)])
  const end = performance.now() + ms
  let expected: Requests
  do {
    // Check every second, so that a bad release is rolled back early.
    await pause(Math.min(1000, ms), signal)
    const after = await Promise.all([requests(production, fresh), requests(production, old)])
    const seen = since(before[0], after[0])
    expected = watched.expected ?? since(before[1], after[1])
    if (isWorse(seen, expected))
      throw new CommandError(`the new replicas failed ${of(seen)}, the old ones ${of(expected)}`)
  } while (performance.now() < end)
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

/** Starts the stopped old replicas, waits until they are ready, then removes the new ones. */
async function rollBack(
  production: Production,
  old: ReadonlySet<string>,
  stopped: readonly Container[],
): Promise<void> {
  for (const { id } of stopped) await docker(['start', id])
  const areReady = async () => {
    for (const container of stopped) {
      if ((await production.ask(container, '/ready'))?.status !== 200) return false
    }
    return true
  }
  await waitFor('the old replicas are ready', areReady, { timeoutMs: 60_000 })
  const fresh = (await replicas(production)).filter(({ id }) => !old.has(id))
  await Promise.all(fresh.map(({ id }) => docker(['stop', id])))
  for (const { id } of fresh) await docker(['rm', id])
  production.state.setDeployment(undefined)
}
