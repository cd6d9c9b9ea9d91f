import { connect } from 'node:net'
import { setTimeout as delay } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { localStackError } from './errors.ts'
import { type GuardedServer, startGuarded } from './guard.ts'

export type ServiceName = 'reference-api' | 'parallel-api'

export type ServiceOptions = {
  name: ServiceName
  port: number
  /** Over this process's own environment. */
  env: Record<string, string>
  /** Starts again on each change of a file. */
  watch: boolean
  print: (line: string) => void
}

export type Service = { name: ServiceName; url: string; exited: Promise<number>; stop(): Promise<void> }

const root = fileURLToPath(new URL('../../../', import.meta.url))
const readyMs = 30_000

/** Starts a service as it is really run (`node services/<name>/src/main.ts`) and prints its output behind its name. */
export const startService = async (options: ServiceOptions): Promise<Service> => {
  const { name, port, env, watch, print } = options
  if (await answers(port)) {
    throw localStackError('PORT_TAKEN', `Port ${port} of 127.0.0.1, which ${name} should listen on, is taken`)
  }
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
    env: { ...process.env, HOST: '127.0.0.1', PORT: String(port), ...env },
    cwd: root,
  })
  return { name, url: `http://127.0.0.1:${port}`, exited: guarded.exited, stop: guarded.stop }
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

const answers = (port: number): Promise<boolean> =>
  new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1')
    const done = (answer: boolean) => {
      socket.destroy()
      resolve(answer)
    }
    socket.once('connect', () => done(true)).once('error', () => done(false))
  })
