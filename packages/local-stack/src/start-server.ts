import { readFile } from 'node:fs/promises'
import { setTimeout as delay } from 'node:timers/promises'
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

/** Starts a server and waits until it answers; an error carries the last lines of its log. */
export async function startServer(attempt: Attempt): Promise<{ server: GuardedServer; port: number }> {
  const { name, logFile, timeoutMs = 60_000 } = attempt
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
    if (ended.value && attempt.port === undefined && attempts < 5 && /address already in use/i.test(log))
      continue
    await server.stop()
    const outcome = ended.value ? 'ended instead of starting' : `did not answer within ${timeoutMs / 1000} s`
    throw localStackError('SERVER_START_FAILED', `${name} ${outcome} (port ${port}):\n${lastLines(log)}`)
  }
}

const lastLines = (log: string): string => log.trimEnd().split('\n').slice(-12).join('\n')
