import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { closeSync, openSync, readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { settings } from '@reference/config'
import { freePort } from '@reference/local-stack'
import { BenchError } from '../errors.ts'
import { pinned } from './placement.ts'
import { residentBytesOf } from './process-stats.ts'

/** A server to be started: a service of this repository, a floor, or a peer. */
export interface ProcessPlan {
  readonly name: string
  readonly command: readonly string[]
  /** Settings as environment variables; those of this process do not reach it. */
  readonly environment: Readonly<Record<string, string>>
  /** Folder to start in. */
  readonly cwd: string
  /** Answers 200 once the server can be loaded. */
  readonly readyPath: string
}

interface StartOptions {
  /** Cores to run on; empty: no restriction. */
  readonly cores: readonly number[]
  /** Folder for the log. */
  readonly folder: string
  readonly signal?: AbortSignal | undefined
  readonly readyTimeoutMs?: number
}

/** A running server. */
export interface RunningProcess {
  readonly name: string
  readonly origin: string
  readonly pid: number
  /** From the start of the process to its first reply to `GET /health`. */
  readonly startMs: number
  /** From the start of the process until its `readyPath` answered 200. */
  readonly bootMs: number
  /** Resident memory right after it became ready. */
  readonly idleBytes: number
  /** Size of its log. */
  logBytes(): number
  stop(): Promise<void>
}

let logs = 0

/** Starts a server on a free port, pinned to `cores`, and waits until it is ready. */
export async function startProcess(
  { name, command, environment, cwd, readyPath }: ProcessPlan,
  { cores, folder, signal, readyTimeoutMs = 30_000 }: StartOptions,
): Promise<RunningProcess> {
  // If another program takes the port first, the server exits and this function reports its log.
  const port = await freePort()
  const origin = `http://127.0.0.1:${port}`
  const logFile = join(folder, `${name}-${logs++}.log`)
  const log = openSync(logFile, 'w')
  const [program = '', ...args] = pinned(cores, command)
  const began = performance.now()
  const child = spawn(program, args, {
    cwd,
    // A file, because this process would have to read every log line from a pipe.
    stdio: ['ignore', log, log],
    env: { ...cleanEnvironment(), HOST: '127.0.0.1', PORT: String(port), ...environment },
    detached: true,
  })
  closeSync(log)
  const stop = () => endProcess(child)
  const answersWithin = (path: string, everyMs: number) =>
    answers(child, `${origin}${path}`, { everyMs, limitMs: readyTimeoutMs, signal })
  try {
    await answersWithin('/health', 2)
    const startMs = performance.now() - began
    if (readyPath !== '/health') await answersWithin(readyPath, 20)
    const bootMs = performance.now() - began
    const pid = child.pid ?? 0
    const idleBytes = residentBytesOf(pid) ?? 0
    return { name, origin, pid, startMs, bootMs, idleBytes, logBytes: () => statSync(logFile).size, stop }
  } catch (error) {
    await stop()
    const tail = lastMessages(readFileSync(logFile, 'utf8'))
    throw new BenchError('SERVER_NOT_READY', `${name}: ${(error as Error).message}\n${tail}`)
  }
}

/** The environment of this process without the services' settings, so that none leaks into a measurement. */
function cleanEnvironment(): NodeJS.ProcessEnv {
  const settingNames = new Set(Object.keys(settings).flatMap((name) => [name, `${name}_FILE`]))
  return Object.fromEntries(
    Object.entries(process.env).filter(([name]) => !settingNames.has(name) && name !== 'NODE_OPTIONS'),
  )
}

/** Waits for a reply with status 200. */
async function answers(
  child: ChildProcess,
  url: string,
  { everyMs, limitMs, signal }: { everyMs: number; limitMs: number; signal: AbortSignal | undefined },
): Promise<void> {
  const { promise: failed, reject } = Promise.withResolvers<never>()
  failed.catch(() => {})
  child.once('error', reject)
  const until = performance.now() + limitMs
  let last = 'no answer'
  while (performance.now() < until) {
    signal?.throwIfAborted()
    if (child.exitCode !== null)
      throw new Error(`ended with code ${child.exitCode} instead of becoming ready`)
    try {
      const reply = await Promise.race([fetch(url, { signal: AbortSignal.timeout(2000) }), failed])
      last = `${reply.status} ${await reply.text()}`
      if (reply.status === 200 && child.exitCode === null) return
    } catch {
      // Not listening yet.
    }
    await Promise.race([sleep(everyMs), failed])
  }
  throw new Error(`not ready within ${limitMs / 1000} s: ${last}`)
}

/** The last lines of a log, without stack frames. */
function lastMessages(log: string): string {
  const lines = log.split('\n').filter((line) => line.trim() !== '' && !/^\s+(at |\^)/.test(line))
  return lines
    .slice(-6)
    .map((line) => line.slice(0, 400))
    .join('\n')
}

/** Kills the process: a graceful shutdown would wait a second for open connections, and has tests of its own. */
async function endProcess(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return
  const exited = once(child, 'exit')
  child.kill('SIGKILL')
  await exited
}
