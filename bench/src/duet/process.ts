import { type ChildProcess, spawn } from 'node:child_process'
import { closeSync, openSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { freePort } from '@reference/local-stack'
import { BenchError } from '../errors.ts'
import { pinned } from '../stack/placement.ts'
import { residentBytesOf } from '../stack/process-stats.ts'
import { cleanEnvironment, endProcess, lastMessages } from '../stack/server.ts'

/** A server to be started: a service of this repository, a floor, or a peer. */
export interface ProcessPlan {
  readonly name: string
  readonly command: readonly string[]
  readonly environment: Readonly<Record<string, string>>
  /** Folder to start in. */
  readonly cwd: string
  /** Answers 200 once the server can be loaded. */
  readonly readyPath: string
}

/** A running server. */
export interface RunningProcess {
  readonly name: string
  readonly origin: string
  readonly pid: number
  /** From the start of the process to its first reply to `GET /health`. */
  readonly startMs: number
  /** Resident memory right after it became ready. */
  readonly idleBytes: number
  stop(): Promise<void>
}

const START_LIMIT_MS = 30_000
let logs = 0

/** Starts a server on a free port, pinned to `cores`, and waits until it is ready. */
export async function startProcess(
  { name, command, environment, cwd, readyPath }: ProcessPlan,
  { cores, folder, signal }: { cores: readonly number[]; folder: string; signal: AbortSignal },
): Promise<RunningProcess> {
  const port = await freePort()
  const origin = `http://127.0.0.1:${port}`
  const logFile = join(folder, `${name}-${logs++}.log`)
  const log = openSync(logFile, 'w')
  const [program = '', ...args] = pinned(cores, command)
  const began = performance.now()
  const child = spawn(program, args, {
    cwd,
    stdio: ['ignore', log, log],
    env: { ...cleanEnvironment(), HOST: '127.0.0.1', PORT: String(port), ...environment },
    detached: true,
  })
  closeSync(log)
  try {
    await answers(child, `${origin}/health`, 2, signal)
    const startMs = performance.now() - began
    if (readyPath !== '/health') await answers(child, `${origin}${readyPath}`, 20, signal)
    const pid = child.pid ?? 0
    const idleBytes = residentBytesOf(pid) ?? 0
    return { name, origin, pid, startMs, idleBytes, stop: () => endProcess(child) }
  } catch (error) {
    await endProcess(child)
    const tail = lastMessages(readFileSync(logFile, 'utf8'))
    throw new BenchError('SERVER_NOT_READY', `${name}: ${(error as Error).message}\n${tail}`)
  }
}

/** Waits for a reply with status 200. */
async function answers(
  child: ChildProcess,
  url: string,
  everyMs: number,
  signal: AbortSignal,
): Promise<void> {
  const { promise: failed, reject } = Promise.withResolvers<never>()
  failed.catch(() => {})
  child.once('error', reject)
  const until = performance.now() + START_LIMIT_MS
  while (performance.now() < until) {
    signal.throwIfAborted()
    if (child.exitCode !== null) throw new Error(`ended with code ${child.exitCode}`)
    const status = await Promise.race([statusOf(url), failed])
    if (status === 200) return
    await sleep(everyMs)
  }
  throw new Error(`no reply to ${url} within ${START_LIMIT_MS / 1000} s`)
}

async function statusOf(url: string): Promise<number> {
  try {
    const reply = await fetch(url, { signal: AbortSignal.timeout(2000) })
    await reply.arrayBuffer()
    return reply.status
  } catch {
    // Not listening yet.
    return 0
  }
}
