import { channel } from 'node:diagnostics_channel'
import { setTimeout as sleep } from 'node:timers/promises'
import { getStandardOutput } from '@reference/cli'
import closeWithGrace from 'close-with-grace'
import type { Connections } from './connections.ts'
import type { App } from './types.ts'

export interface RunOptions {
  host: string
  port: number
  /** How long `/ready` is 503 before the listener closes: what the proxy needs to notice. */
  shutdownDelayMs?: number
  /** How long requests in flight and `onClose` may take after that, before the process exits hard. */
  closeTimeoutMs?: number
  /** Closes what the service opened (pools, caches); called when the last request is answered. */
  onClose?: () => unknown
}

export interface Running {
  /** Such as `http://127.0.0.1:8000`. */
  address: string
  internalPort: number | undefined
}

/** A fault that only a crash can tell must not be answered by JavaScript; SIGUSR2 belongs to debuggers. */
const LEFT_ALONE = [
  'SIGILL',
  'SIGTRAP',
  'SIGABRT',
  'SIGBUS',
  'SIGFPE',
  'SIGSEGV',
  'SIGUSR2',
  'beforeExit',
] as const

/**
 * Listens, and ends the process in order on SIGTERM, SIGINT, SIGHUP or SIGQUIT: `/ready` is 503 at once; after
 * `shutdownDelayMs` the listener closes; each connection ends with its next reply, which says `connection: close`, or
 * when it is silent; `onClose`; exit 0. A second signal or the time limit exits 1. An uncaught error is logged, closes
 * without the delay, exit 1. A port that cannot be had is told in one line, exit 1.
 */
export async function runServer(app: App, options: RunOptions): Promise<Running> {
  const { host, port, shutdownDelayMs = 0, closeTimeoutMs = 10_000, onClose } = options
  process.on('exit', endBlockedThreads)
  logWarnings(app)
  const internalPort = await opened(app, options, () => app.operations.listen(host))
  const address = await opened(app, options, () => app.listen({ host, port }))
  const delay = shutdownDelayMs + closeTimeoutMs
  closeWithGrace(
    {
      delay,
      skip: [...LEFT_ALONE],
      logger: false,
      onSecondSignal: (signal) => app.log.error({ signal }, 'second signal: exit without waiting'),
      onSecondError: (error) => app.log.fatal({ err: error }, 'second error while closing'),
      onTimeout: () => app.log.error(`not closed within ${delay} ms: exit without waiting`),
    },
    async ({ err, signal }) => {
      const end = performance.now() + delay
      try {
        if (err) app.log.fatal({ err }, 'uncaught error: closing')
        else app.log.info({ signal }, 'shutdown begins')
        app.lifecycle.drain()
        if (!err) await serveUnready(app, shutdownDelayMs)
        await closeServer(app, app.connections, closeTimeoutMs)
        await onClose?.()
        await whatElseCloses()
        app.log.info('shutdown done')
      } catch (error) {
        app.log.error({ err: error }, 'shutdown failed')
        throw error
      } finally {
        await getStandardOutput().flush(Math.min(FLUSH_MS, (end - performance.now()) / 2))
      }
    },
  )
  return { address, internalPort }
}

/** Whoever listens to `reference:http.closed`, a tracer, has what it still holds waited for: it adds promises. */
async function whatElseCloses(): Promise<void> {
  const waiting: Promise<unknown>[] = []
  channel('reference:http.closed').publish(waiting)
  await Promise.allSettled(waiting)
}

/** How long the last log lines may wait for a reader of standard output, at most half of what is left of the time limit. */
const FLUSH_MS = 1000

/** Before the listener closes, replies keep connections open for so long, at most half the delay. */
const SETTLE_MS = 500

/** A connection that was silent for so long, at most a quarter of `closeTimeoutMs`, is not waited for. */
const GRACE_MS = 1000

/**
 * Goes on serving, unready. Replies say `connection: close`, so that callers behind a balancer of connections go
 * elsewhere. Not so at the end: whoever is still here would come back with a new connection at each reply, and the
 * kernel resets those that it has not handed over when the listener closes.
 */
async function serveUnready(app: App, delayMs: number): Promise<void> {
  if (delayMs === 0) return
  const settleMs = Math.min(SETTLE_MS, delayMs / 2)
  app.lifecycle.setLastReplies(true)
  await sleep(delayMs - settleMs)
  app.lifecycle.setLastReplies(false)
  await sleep(settleMs)
}

/** Closes the listener, gives each open connection its last reply, then Fastify's own parts. */
async function closeServer(app: App, connections: Connections, closeTimeoutMs: number): Promise<void> {
  await connections.stopListening()
  app.lifecycle.setLastReplies(true)
  await connections.end(Math.min(GRACE_MS, closeTimeoutMs / 4))
  await app.close()
}

/** Opens a listener, or says in one line why not, closes what is open and exits 1. */
async function opened<T>(app: App, options: RunOptions, open: () => Promise<T>): Promise<T> {
  try {
    return await open()
  } catch (error) {
    app.log.fatal({ code: (error as { code?: string }).code }, reasonOf(error as Error))
    await app.close()
    await options.onClose?.()
    await getStandardOutput().flush(FLUSH_MS)
    process.exit(1)
  }
}

function reasonOf(error: Error & { code?: string; port?: number; address?: string }): string {
  const place = `${error.address ?? ''}:${error.port ?? ''}`
  if (error.code === 'EADDRINUSE') return `${place} is taken: another process listens there`
  if (error.code === 'EACCES') return `${place} is not allowed: ports below 1024 need a privilege`
  if (error.code === 'EADDRNOTAVAIL') return `${place} is no address of this machine`
  return `cannot start: ${error.message}`
}

/** Node writes its warnings to standard error, and waits until they are read. */
function logWarnings(app: App): void {
  process.removeAllListeners('warning')
  process.on('warning', (warning) => app.log.warn({ err: warning }, 'warning'))
}

/** Requests that a thread of libuv's pool works on, by their names in `process.getActiveResourcesInfo()`. */
const THREAD_REQUESTS = new Set(['FSReqCallback', 'FSReqPromise', 'GetAddrInfoReqWrap', 'GetNameInfoReqWrap'])

/**
 * `process.exit()` waits for the threads of libuv's pool, also for one that the kernel blocks: in the look-up of a name
 * whose server does not answer, or in a file system that hangs. Another program in the place of this one ends them and
 * keeps the exit code; it takes 40 ms.
 */
function endBlockedThreads(code: number): void {
  if (!process.getActiveResourcesInfo().some((name) => THREAD_REQUESTS.has(name))) return
  try {
    process.execve?.(process.execPath, [process.execPath, '-e', `process.exit(${code})`], {})
  } catch {
    process.kill(process.pid, 'SIGKILL')
  }
}
