import { channel } from 'node:diagnostics_channel'
import { delay } from '@reference/async'
import { getStandardOutput, holderOfPort } from '@reference/cli'
import closeWithGrace from 'close-with-grace'
import type { Connections } from './connections.ts'
import { type Diagnostics, startDiagnostics } from './diagnostics.ts'
import type { App } from './types.ts'

export interface RunOptions {
  host: string
  port: number
  /** How long `/ready` answers 503 before the listener closes: the time in which a proxy notices it. */
  shutdownDelayMs?: number
  /** How long requests in flight and `onClose` may take after the delay, before the process exits without waiting. */
  closeTimeoutMs?: number
  /** Where reports of crashes and a heap snapshot near the limit are written; unset: nowhere. */
  diagnosticsDir?: string | undefined
  /** Closes the resources of the service (pools, caches); called when the last request is answered. */
  onClose?: () => unknown
}

export interface Running {
  /** Such as `http://127.0.0.1:8000`. */
  address: string
  internalPort: number | undefined
}

/** Signals without a handler: JavaScript cannot run after a crash, and debuggers use SIGUSR2. */
const UNHANDLED_SIGNALS = [
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
 * Listens, and shuts down gracefully on SIGTERM, SIGINT, SIGHUP or SIGQUIT: `/ready` answers 503 at once; after
 * `shutdownDelayMs` the listener closes; each connection closes after its next reply, which carries `connection: close`, or
 * when it is silent; `onClose` runs; exit 0. A second signal or the time limit exits 1. An uncaught error is logged and
 * shuts down without the delay, exit 1. A port that cannot be opened is logged in one line, exit 1.
 */
export async function runServer(app: App, options: RunOptions): Promise<Running> {
  const { host, port, shutdownDelayMs = 0, closeTimeoutMs = 10_000, onClose } = options
  process.on('exit', endBlockedThreads)
  logWarnings(app)
  const diagnostics = startDiagnostics(options.diagnosticsDir, app.log)
  const internalPort = await openOrExit(app, options, () => app.operations.listen(host))
  const address = await openOrExit(app, options, () => app.listen({ host, port }))
  const limitMs = shutdownDelayMs + closeTimeoutMs
  closeWithGrace(
    {
      delay: limitMs,
      skip: [...UNHANDLED_SIGNALS],
      logger: false,
      onSecondSignal: (signal) => app.log.error({ signal }, 'second signal: exit without waiting'),
      onSecondError: (error) => app.log.fatal({ err: error }, 'second error while closing'),
      onTimeout: () => app.log.error(`not closed within ${limitMs} ms: exit without waiting`),
    },
    async ({ err, signal }) => {
      const deadline = performance.now() + limitMs
      try {
        if (err) logCrash(app, diagnostics, err)
        else app.log.info({ signal }, 'shutdown begins')
        app.lifecycle.drain()
        if (!err) await serveUnready(app, shutdownDelayMs)
        await closeServer(app, app.connections, closeTimeoutMs)
        await onClose?.()
        await otherClosing()
        app.log.info('shutdown done')
      } catch (error) {
        app.log.error({ err: error }, 'shutdown failed')
        throw error
      } finally {
        await getStandardOutput().flush(Math.min(FLUSH_MS, (deadline - performance.now()) / 2))
      }
    },
  )
  return { address, internalPort }
}

function logCrash(app: App, diagnostics: Diagnostics, err: Error): void {
  app.log.fatal({ err }, 'uncaught error: closing')
  diagnostics.reportError(err)
}

/** Waits for the promises that subscribers of `reference:http.closed` add, such as the last export of a tracer. */
async function otherClosing(): Promise<void> {
  const waiting: Promise<unknown>[] = []
  channel('reference:http.closed').publish(waiting)
  await Promise.allSettled(waiting)
}

/** How long the last log lines may wait for the reader of standard output, at most half of the remaining time. */
const FLUSH_MS = 1000

/** Replies keep connections open for this time before the listener closes, at most half the delay. */
const SETTLE_MS = 500

/** A connection is closed after this time of silence, at most a quarter of `closeTimeoutMs`. */
const GRACE_MS = 1000

/**
 * Serves requests while `/ready` answers 503. Replies carry `connection: close`, so that a load balancer of connections
 * moves the clients to other replicas. Near the end they do not: the remaining clients would reconnect after each reply,
 * and the kernel resets connections that it has not handed over when the listener closes.
 */
async function serveUnready(app: App, delayMs: number): Promise<void> {
  if (delayMs === 0) return
  const settleMs = Math.min(SETTLE_MS, delayMs / 2)
  app.lifecycle.setLastReplies(true)
  await delay(delayMs - settleMs)
  app.lifecycle.setLastReplies(false)
  await delay(settleMs)
}

/** Closes the listener, then each open connection after its last reply, then Fastify's own resources. */
async function closeServer(app: App, connections: Connections, closeTimeoutMs: number): Promise<void> {
  await connections.stopListening()
  app.lifecycle.setLastReplies(true)
  await connections.end(Math.min(GRACE_MS, closeTimeoutMs / 4))
  await app.close()
}

/** Opens a listener. A failure is logged in one line, everything opened before is closed, and the process exits 1. */
async function openOrExit<T>(app: App, options: RunOptions, open: () => Promise<T>): Promise<T> {
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
  if (error.code === 'EADDRINUSE') {
    return `${place} is taken: ${holderOfPort(error.port ?? 0) ?? 'another process'} listens there`
  }
  if (error.code === 'EACCES') return `${place} is not allowed: ports below 1024 need a privilege`
  if (error.code === 'EADDRNOTAVAIL') return `${place} is not an address of this machine`
  return `cannot start: ${error.message}`
}

/** Logs Node's warnings: Node itself would write them to standard error and block until they are read. */
function logWarnings(app: App): void {
  process.removeAllListeners('warning')
  process.on('warning', (warning) => app.log.warn({ err: warning }, 'warning'))
}

/** Operations of a thread of libuv's pool, by their names in `process.getActiveResourcesInfo()`. */
const THREAD_REQUESTS = new Set(['FSReqCallback', 'FSReqPromise', 'GetAddrInfoReqWrap', 'GetNameInfoReqWrap'])

/**
 * `process.exit()` waits for the threads of libuv's pool, also for a thread that the kernel blocks: in a name look-up whose
 * server does not answer, or in a file system that hangs. Replacing the program (execve) ends the threads and keeps the
 * exit code; it takes 40 ms.
 */
function endBlockedThreads(code: number): void {
  if (!process.getActiveResourcesInfo().some((name) => THREAD_REQUESTS.has(name))) return
  try {
    process.execve?.(process.execPath, [process.execPath, '-e', `process.exit(${code})`], {})
  } catch {
    process.kill(process.pid, 'SIGKILL')
  }
}
