import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { closeSync, openSync, readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { settings } from '@reference/config'
import { freePort } from '@reference/local-stack'
import { SERVICES, type ServiceName } from '@reference/shop/services'
import { BenchError } from '../errors.ts'
import { pinned } from './placement.ts'

/** A service in a fresh process, started as in production. */
export interface Server {
  readonly origin: string
  readonly pid: number
  /** From the start of the process until `/ready` answered 200. */
  readonly bootMs: number
  /** Size of its log. */
  logBytes(): number
  stop(): Promise<void>
}

interface ServerOptions {
  readonly service: ServiceName
  /** Settings as environment variables; all others have their defaults. */
  readonly environment: Readonly<Record<string, string>>
  /** Cores to run on; empty: no restriction. */
  readonly cores: readonly number[]
  /** Folder for the log. */
  readonly folder: string
  readonly signal?: AbortSignal | undefined
  readonly readyTimeoutMs?: number
}

const ROOT = fileURLToPath(new URL('../../..', import.meta.url))
let logs = 0

/** Starts `services/<name>/src/main.ts` on a free port and waits until it is ready. */
export async function startServer(options: ServerOptions): Promise<Server> {
  const { service, environment, cores, folder, signal, readyTimeoutMs = 30_000 } = options
  // If another program takes the port first, the service exits and this function reports its log.
  const port = await freePort()
  const origin = `http://127.0.0.1:${port}`
  const logFile = join(folder, `${service}-${logs++}.log`)
  const log = openSync(logFile, 'w')
  const began = performance.now()
  const [command = '', ...args] = pinned(cores, [process.execPath, SERVICES[service].main])
  const child = spawn(command, args, {
    cwd: ROOT,
    // A file, because this process would have to read every log line from a pipe.
    stdio: ['ignore', log, log],
    env: {
      ...cleanEnvironment(),
      HOST: '127.0.0.1',
      PORT: String(port),
      AUTH: 'off',
      // Modules compiled by an earlier boot make this one a third faster and change nothing else.
      NODE_COMPILE_CACHE: join(folder, 'compile-cache'),
      ...environment,
    },
    detached: true,
  })
  closeSync(log)
  const server: Server = {
    origin,
    pid: child.pid ?? 0,
    bootMs: 0,
    logBytes: () => statSync(logFile).size,
    stop: () => endProcess(child),
  }
  try {
    await ready(child, origin, readyTimeoutMs, signal)
  } catch (error) {
    await server.stop()
    const tail = lastMessages(readFileSync(logFile, 'utf8'))
    throw new BenchError('SERVER_NOT_READY', `${service}: ${(error as Error).message}\n${tail}`)
  }
  return { ...server, bootMs: performance.now() - began }
}

/** The last lines of a log, without stack frames. */
export function lastMessages(log: string): string {
  const lines = log.split('\n').filter((line) => line.trim() !== '' && !/^\s+(at |\^)/.test(line))
  return lines
    .slice(-6)
    .map((line) => line.slice(0, 400))
    .join('\n')
}

/** The environment of this process without the services' settings, so that none leaks into a measurement. */
export function cleanEnvironment(): NodeJS.ProcessEnv {
  const settingNames = new Set(Object.keys(settings).flatMap((name) => [name, `${name}_FILE`]))
  return Object.fromEntries(
    Object.entries(process.env).filter(([name]) => !settingNames.has(name) && name !== 'NODE_OPTIONS'),
  )
}

async function ready(
  child: ChildProcess,
  origin: string,
  limitMs: number,
  signal?: AbortSignal,
): Promise<void> {
  const until = performance.now() + limitMs
  let last = 'no answer'
  while (performance.now() < until) {
    signal?.throwIfAborted()
    if (child.exitCode !== null)
      throw new Error(`ended with code ${child.exitCode} instead of becoming ready`)
    try {
      const answer = await fetch(`${origin}/ready`, { signal: AbortSignal.timeout(2000) })
      last = `${answer.status} ${await answer.text()}`
      if (answer.status === 200 && child.exitCode === null) return
    } catch {
      // Not listening yet.
    }
    await sleep(20)
  }
  throw new Error(`not ready within ${limitMs / 1000} s: ${last}`)
}

/** Kills the process: a graceful shutdown would wait a second for open connections, and has tests of its own. */
export async function endProcess(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return
  const exited = once(child, 'exit')
  child.kill('SIGKILL')
  await exited
}
