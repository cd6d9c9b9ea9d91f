import { setTimeout as delay } from 'node:timers/promises'
import { holderOfPort, REPOSITORY_ROOT } from '@reference/cli'
import type { Environment } from '@reference/config'
import { SERVICES, type ServiceName } from '@reference/shop/services'
import { bundleOf } from './bundles.ts'
import { localStackError } from './errors.ts'
import { listenFault } from './free-port.ts'
import { type GuardedServer, startGuarded } from './guard.ts'

export interface ServiceOptions {
  name: ServiceName
  /** Its address for this process. */
  url: string
  /** Its complete environment. */
  env: Environment
  /** Restart on each change of a file. */
  watch: boolean
  /** Run the bundle in `dist/` instead of the sources. */
  built: boolean
  print: (line: string) => void
}

export interface Service {
  name: ServiceName
  url: string
  exited: Promise<number>
  stop(): Promise<void>
}

const READY_TIMEOUT_MS = 30_000

/**
 * Starts a service as `node services/<name>/src/main.ts`, or `node dist/<name>/main.js`, and prints its output with its name as a
 * prefix.
 */
export async function startService(options: ServiceOptions): Promise<Service> {
  const { name, url, env, watch, built, print } = options
  const main = built ? bundleOf(name) : SERVICES[name].main
  const prefix = `${name.padEnd(13)} │ `
  let rest = ''
  const guarded: GuardedServer = await startGuarded({
    command: process.execPath,
    args: [...(watch ? ['--watch', '--watch-preserve-output'] : []), main],
    stopSignal: 'TERM',
    log: (chunk) => {
      const lines = (rest + chunk).split('\n')
      rest = lines.pop() ?? ''
      for (const line of lines) print(prefix + line)
    },
    env,
    cwd: REPOSITORY_ROOT,
  })
  return { name, url, exited: guarded.exited, stop: guarded.stop }
}

/** Whether `/health` answers 200 within `READY_TIMEOUT_MS`, before the service ends. */
export async function isHealthy(service: Service): Promise<boolean> {
  let ended = false
  void service.exited.then(() => {
    ended = true
  })
  const deadline = performance.now() + READY_TIMEOUT_MS
  while (!ended && performance.now() < deadline) {
    const isOk = await fetch(`${service.url}/health`, { signal: AbortSignal.timeout(2000) }).then(
      async (response) => {
        await response.body?.cancel()
        return response.status === 200
      },
      () => false,
    )
    if (isOk) return true
    await delay(50)
  }
  return false
}

/**
 * Checks that a service can listen, before anything is started for it.
 *
 * @param waitMs how long the port may still be taken by a service that is ending
 * @param remedy what to type when the port is taken
 * @throws LocalStackError PORT_TAKEN, or ADDRESS_UNAVAILABLE when HOST is no address of this machine
 */
export async function requirePort(
  { name, host, port }: { name: ServiceName; host: string; port: number },
  waitMs: number,
  remedy: () => Promise<string>,
): Promise<void> {
  const deadline = performance.now() + waitMs
  let code = await listenFault(host, port)
  while (code === 'EADDRINUSE' && performance.now() < deadline) {
    await delay(100)
    code = await listenFault(host, port)
  }
  if (code === undefined) return
  const place = `Port ${port} of ${host}, which ${name} should listen on,`
  if (code === 'EADDRINUSE') {
    throw localStackError(
      'PORT_TAKEN',
      `${place} is taken: ${holderOfPort(port) ?? 'another process'} listens there.\n${await remedy()}`,
    )
  }
  const message =
    code === 'EACCES'
      ? `${place} needs a privilege: choose one above 1023`
      : `HOST=${host} cannot be listened on (${code})`
  throw localStackError('ADDRESS_UNAVAILABLE', message)
}

/** Finds two adjacent free ports above a taken one. Returns the lower one. */
export async function findFreePair(host: string, from: number): Promise<number | undefined> {
  for (let port = from + 10; port < Math.min(from + 500, 65_535); port += 10) {
    const faults = await Promise.all([listenFault(host, port), listenFault(host, port + 1)])
    if (faults.every((fault) => fault === undefined)) return port
  }
  return undefined
}
