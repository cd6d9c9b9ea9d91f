import { spawn } from 'node:child_process'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { localStackError } from './errors.ts'
import type { ServerUser } from './server-user.ts'

export interface GuardedServer {
  pid: number
  /** Resolves with the exit code when the server has ended, for any reason. */
  exited: Promise<number>
  /** Stops the server and deletes its folder; resolves when both are done. */
  stop(): Promise<void>
}

export interface GuardOptions {
  command: string
  args: string[]
  stopSignal: 'KILL' | 'QUIT' | 'INT' | 'TERM'
  /** A file or a function that receives its output. */
  log: string | ((chunk: string) => void)
  /** PATH, the locale C and UTC unless given. */
  env?: Record<string, string | undefined>
  cwd?: string
  /** Deleted when the server is stopped or this process dies. */
  deleteFolder?: string
  user?: ServerUser
}

const GUARD_SCRIPT = join(import.meta.dirname, 'guard.sh')

/**
 * Starts a server that ends with this process, even when this process is killed with SIGKILL: a shell of 1 MB
 * (`guard.sh`) waits at the other end of a pipe. It does not keep this process alive.
 */
export async function startGuarded(options: GuardOptions): Promise<GuardedServer> {
  const { command, args, stopSignal, log, deleteFolder = '', user, cwd = '/' } = options
  const { env = { PATH: process.env.PATH, LC_ALL: 'C', TZ: 'UTC' } } = options
  const logFile = typeof log === 'string' ? log : ''
  // The script is passed as text: the user of the server may not be able to read this folder.
  const script = await readFile(GUARD_SCRIPT, 'utf8')
  const guard = spawn(
    '/bin/sh',
    ['-c', script, 'guard', stopSignal, deleteFolder, logFile, command, ...args],
    {
      cwd,
      stdio: ['pipe', 'pipe', typeof log === 'string' ? 'ignore' : 'pipe'],
      // Its own session: Ctrl-C in a terminal must reach the services first, and the servers only after them.
      detached: true,
      env,
      ...(user === undefined ? {} : { uid: user.uid, gid: user.gid }),
    },
  )
  const pid = Promise.withResolvers<number>()
  const exited = Promise.withResolvers<number>()
  const gone = Promise.withResolvers<void>()
  let serverPid = 0
  let ended = false
  let output = ''
  guard.stdout?.setEncoding('utf8').on('data', (chunk: string) => {
    output += chunk
    for (let end = output.indexOf('\n'); end !== -1; end = output.indexOf('\n')) {
      const line = output.slice(0, end)
      output = output.slice(end + 1)
      if (line.startsWith('exit ')) {
        ended = true
        exited.resolve(Number(line.slice(5)))
      } else {
        serverPid = Number(line)
        pid.resolve(serverPid)
      }
    }
  })
  if (typeof log === 'function') guard.stderr?.setEncoding('utf8').on('data', log)
  guard.once('error', (cause) => {
    pid.reject(localStackError('SERVER_START_FAILED', `Cannot run ${command}: ${cause.message}`, cause))
    gone.resolve()
  })
  guard.once('close', (_code, signal) => {
    // The guard itself was killed, so this process ends the server.
    if (signal !== null && serverPid > 0 && !ended) killQuietly(serverPid)
    pid.reject(localStackError('SERVER_START_FAILED', `Cannot run ${command}: its guard ended (${signal})`))
    exited.resolve(-1)
    gone.resolve()
  })
  // A failed write to an ended guard is no news: `close` reports it.
  guard.stdin?.on('error', () => {})
  guard.unref()
  for (const stream of [guard.stdin, guard.stdout, guard.stderr]) unref(stream)
  const heldOpen = holdOpen()
  try {
    return {
      pid: await pid.promise,
      exited: exited.promise,
      stop: async () => {
        const release = holdOpen()
        guard.stdin?.destroy()
        await gone.promise
        release()
      },
    }
  } finally {
    heldOpen()
  }
}

/** Keeps the process alive while it waits for a server, whose handles do not. */
export function holdOpen(): () => void {
  const timer = setInterval(() => {}, 1 << 30)
  return () => clearInterval(timer)
}

function killQuietly(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL')
  } catch {
    // It has already ended.
  }
}

function unref(stream: object | null): void {
  if (stream !== null && 'unref' in stream && typeof stream.unref === 'function') stream.unref()
}
