import { readFile } from 'node:fs/promises'
import { setTimeout as delay } from 'node:timers/promises'
import { holderOfPort } from '@reference/cli'
import { localStackError } from './errors.ts'
import { freePort } from './free-port.ts'
import type { GuardedServer } from './guard.ts'

interface Attempt {
  name: string
  logFile: string
  /** A fixed port. Without it a free one, and another if a different process takes it first. */
  port?: number
  start(port: number): Promise<GuardedServer>
  /** Called until it returns true or the server has ended. */
  isReady(port: number, server: GuardedServer): Promise<boolean>
  timeoutMs?: number
}

const START_LIMIT_MS = 60_000

/** Starts a server and waits until it answers; an error carries the last lines of its log. */
export async function startServer(attempt: Attempt): Promise<{ server: GuardedServer; port: number }> {
  const { name, logFile, timeoutMs = START_LIMIT_MS } = attempt
  for (let attempts = 1; ; attempts++) {
    const port = attempt.port ?? (await freePort())
    const server = await attempt.start(port)
    const ended = { value: false }
    void server.exited.then(() => {
      ended.value = true
    })
    const deadline = performance.now() + timeoutMs
    while (!ended.value && performance.now() < deadline) {
      if (await attempt.isReady(port, server)) return { server, port }
      await delay(20)
    }
    const log = await readFile(logFile, 'utf8').catch(() => '')
    const isTaken = ended.value && /address already in use/i.test(log)
    if (isTaken && attempt.port === undefined && attempts < 5) continue
    await server.stop()
    if (isTaken) throw portTaken(name, port)
    throw startFailed(attempt, port, ended.value, log)
  }
}

function startFailed(
  { name, timeoutMs = START_LIMIT_MS }: Attempt,
  port: number,
  hasEnded: boolean,
  log: string,
): Error {
  const outcome = hasEnded ? 'ended instead of starting' : `did not answer within ${timeoutMs / 1000} s`
  return localStackError('SERVER_START_FAILED', `${name} ${outcome} (port ${port}):\n${lastLines(log)}`)
}

function portTaken(name: string, port: number): Error {
  const remedy = `Choose another port, or none: ${name} then listens on a free one`
  const holder = holderOfPort(port) ?? 'another process'
  return localStackError(
    'PORT_TAKEN',
    `Port ${port}, which ${name} should listen on, is taken: ${holder} listens there.\n${remedy}`,
  )
}

const lastLines = (log: string): string => log.trimEnd().split('\n').slice(-12).join('\n')
