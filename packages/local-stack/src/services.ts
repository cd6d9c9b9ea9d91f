import { createServer } from 'node:net'
import { setTimeout as delay } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import type { Environment } from '@reference/config'
import type { ServiceName } from '@reference/shop/services'
import { localStackError } from './errors.ts'
import { type GuardedServer, startGuarded } from './guard.ts'

export type ServiceOptions = {
  name: ServiceName
  /** Where this process reaches it. */
  url: string
  /** All of its environment. */
  env: Environment
  /** Starts again on each change of a file. */
  watch: boolean
  print: (line: string) => void
}

export type Service = { name: ServiceName; url: string; exited: Promise<number>; stop(): Promise<void> }

const root = fileURLToPath(new URL('../../../', import.meta.url))
const readyMs = 30_000

/** Starts a service as it is really run (`node services/<name>/src/main.ts`) and prints its output behind its name. */
export const startService = async (options: ServiceOptions): Promise<Service> => {
  const { name, url, env, watch, print } = options
  const prefix = `${name.padEnd(13)} │ `
  let rest = ''
  const guarded: GuardedServer = await startGuarded({
    command: process.execPath,
    args: [...(watch ? ['--watch', '--watch-preserve-output'] : []), `services/${name}/src/main.ts`],
    stopSignal: 'TERM',
    log: (chunk) => {
      const lines = (rest + chunk).split('\n')
      rest = lines.pop() ?? ''
      for (const line of lines) print(prefix + line)
    },
    env,
    cwd: root,
  })
  return { name, url, exited: guarded.exited, stop: guarded.stop }
}

/** Whether `/health` says 200 before the service ends and within half a minute. */
export const isHealthy = async (service: Service): Promise<boolean> => {
  let ended = false
  void service.exited.then(() => {
    ended = true
  })
  const deadline = performance.now() + readyMs
  while (!ended && performance.now() < deadline) {
    const healthy = await fetch(`${service.url}/health`, { signal: AbortSignal.timeout(2000) }).then(
      async (response) => {
        await response.body?.cancel()
        return response.status === 200
      },
      () => false,
    )
    if (healthy) return true
    await delay(50)
  }
  return false
}

/**
 * Makes sure that a service can listen, before anything is started for it.
 *
 * @param waitMs how long the port may still be taken by a service that is ending
 * @param remedy what to type when the port is taken
 * @throws LocalStackError PORT_TAKEN, or ADDRESS_UNAVAILABLE when HOST is no address of this machine
 */
export const requirePort = async (
  { name, host, port }: { name: ServiceName; host: string; port: number },
  waitMs: number,
  remedy: () => Promise<string>,
): Promise<void> => {
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
      `${place} is taken: another process listens there.\n${await remedy()}`,
    )
  }
  const why =
    code === 'EACCES'
      ? `${place} needs a privilege: choose one above 1023`
      : `HOST=${host} cannot be listened on (${code})`
  throw localStackError('ADDRESS_UNAVAILABLE', why)
}

/** Two ports in a row that are free, from one that is taken upwards. */
export const findFreePair = async (host: string, from: number): Promise<number | undefined> => {
  for (let port = from + 10; port < Math.min(from + 500, 65_535); port += 10) {
    const faults = await Promise.all([listenFault(host, port), listenFault(host, port + 1)])
    if (faults.every((fault) => fault === undefined)) return port
  }
  return undefined
}

/** The code of the error with which listening fails; undefined when it does not. */
const listenFault = (host: string, port: number): Promise<string | undefined> =>
  new Promise((resolve) => {
    const server = createServer()
    server.once('error', (error: NodeJS.ErrnoException) => resolve(error.code ?? error.message))
    server.listen({ host, port }, () => server.close(() => resolve(undefined)))
  })
