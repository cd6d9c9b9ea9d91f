import { type ChildProcess, fork, type StdioOptions } from 'node:child_process'
import { once } from 'node:events'
import { Agent, get as httpGet } from 'node:http'
import { connect } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Running } from './index.ts'
import type { Teardown } from './test-server.ts'

export interface Fixture {
  child: ChildProcess
  url: string
  port: number
  log(): string
  /** Resolves with the exit code. */
  exit: Promise<number | null>
}

interface Standard {
  stdout?: 'pipe' | number
  stderr?: 'inherit' | number
}

/** Starts `shutdown.fixture.ts`, killed at the end of the test. */
export async function startFixture(
  t: Teardown,
  env: Record<string, string> = {},
  { stdout = 'pipe', stderr = 'inherit' }: Standard = {},
): Promise<Fixture> {
  const stdio: StdioOptions = ['ignore', stdout, stderr, 'ipc']
  const child = fork(new URL('shutdown.fixture.ts', import.meta.url), {
    env: { ...process.env, ...env },
    execArgv: [],
    stdio,
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
  return { child, url, port, log: () => log, exit }
}

/** Asks over one connection, and with Node's own client: fetch hides the header `connection`. */
export function ask(
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

export async function until(condition: () => unknown): Promise<void> {
  const limit = Date.now() + 10_000
  while (!(await condition())) {
    if (Date.now() > limit) throw new Error('the condition did not come true')
    await sleep(10)
  }
}

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
