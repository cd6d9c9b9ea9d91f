import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { Agent, get as httpGet } from 'node:http'
import { connect } from 'node:net'
import { fileURLToPath } from 'node:url'
import type { Running } from '../shutdown.ts'
import type { Teardown } from './test-server.ts'

const SERVICE = fileURLToPath(new URL('shutdown-service.ts', import.meta.url))

export interface ServiceProcess {
  child: ChildProcess
  url: string
  port: number
  internalUrl: string
  log(): string
  /** Resolves with the exit code. */
  exit: Promise<number | null>
}

export interface ProcessOptions {
  stdout?: 'pipe' | number
  stderr?: 'inherit' | 'ignore' | number
  /** Its limit of open files. */
  maxFiles?: number
}

/** Starts `shutdown-service.ts` in a process that is killed at the end of the test. */
export async function startProcess(
  t: Teardown,
  env: Record<string, string> = {},
  { stdout = 'pipe', stderr = 'inherit', maxFiles }: ProcessOptions = {},
): Promise<ServiceProcess> {
  const [command, ...args] =
    maxFiles === undefined
      ? [process.execPath, SERVICE]
      : ['/bin/sh', '-c', `ulimit -n ${maxFiles} && exec "$0" "$@"`, process.execPath, SERVICE]
  const child = spawn(command, args, {
    env: { ...process.env, ...env },
    stdio: ['ignore', stdout, stderr, 'ipc'],
  })
  t.teardown(() => child.kill('SIGKILL'))
  let log = ''
  child.stdout?.setEncoding('utf8').on('data', (chunk) => {
    log += chunk
  })
  const exit = once(child, 'close').then(([code]) => code as number | null)
  const [running] = (await Promise.race([once(child, 'message'), exit.then(() => [])])) as [Running?]
  const url = running?.address ?? ''
  const port = URL.canParse(url) ? Number(new URL(url).port) : 0
  const internalUrl = `http://127.0.0.1:${running?.internalPort}`
  return { child, url, port, internalUrl, log: () => log, exit }
}

/** Sends a GET with Node's own client: fetch hides the header `connection`. */
export function get(
  url: string,
  agent: Agent,
): Promise<{ status: number; connection: string | undefined; body: string }> {
  return new Promise((resolve, reject) => {
    httpGet(url, { agent }, async (response) => {
      let body = ''
      for await (const chunk of response.setEncoding('utf8')) body += chunk
      resolve({ status: response.statusCode ?? 0, connection: response.headers.connection, body })
    }).on('error', reject)
  })
}

/** Whether a new connection is refused. */
export function refuses(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1')
    socket.on('connect', () => {
      socket.destroy()
      resolve(false)
    })
    socket.on('error', (error: Error & { code?: string }) => resolve(error.code === 'ECONNREFUSED'))
  })
}

export function keepAlive(t: Teardown): Agent {
  const agent = new Agent({ keepAlive: true })
  t.teardown(() => agent.destroy())
  return agent
}
