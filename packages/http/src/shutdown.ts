import { setTimeout as sleep } from 'node:timers/promises'
import closeWithGrace from 'close-with-grace'
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
 * Listens, and ends the process in order on SIGTERM, SIGINT, SIGHUP or SIGQUIT: `/ready` is 503 at once and each reply
 * says `connection: close`; after `shutdownDelayMs` the listener closes; when the requests in flight are answered,
 * `onClose`; exit 0. A second signal or the time limit exits 1. An uncaught error is logged, closes without
 * the delay, exit 1. A port that cannot be had is told in one line, exit 1.
 */
export async function runServer(app: App, options: RunOptions): Promise<Running> {
  const { host, port, shutdownDelayMs = 0, closeTimeoutMs = 10_000, onClose } = options
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
      try {
        if (err) app.log.fatal({ err }, 'uncaught error: closing')
        else app.log.info({ signal }, 'shutdown begins')
        app.lifecycle.drain()
        if (!err) await sleep(shutdownDelayMs)
        await closeServer(app)
        await onClose?.()
        app.log.info('shutdown done')
      } catch (error) {
        app.log.error({ err: error }, 'shutdown failed')
        throw error
      }
    },
  )
  return { address, internalPort }
}

/** From here on connections without a request in flight are cut, also those that never sent a whole one. */
const PATIENCE_MS = 500

/**
 * Closes the listener and waits for the requests in flight. A connection that falls idle after the listener closed
 * is not noticed by Node until its keep-alive time is over, hence the sweep.
 */
async function closeServer(app: App): Promise<void> {
  const begin = performance.now()
  const sweep = setInterval(() => {
    const patient = performance.now() - begin < PATIENCE_MS
    if (patient || app.lifecycle.inFlight.size > 0) app.server.closeIdleConnections()
    else app.server.closeAllConnections()
  }, 50)
  try {
    await app.close()
  } finally {
    clearInterval(sweep)
  }
}

/** Opens a listener, or says in one line why not, closes what is open and exits 1. */
async function opened<T>(app: App, options: RunOptions, open: () => Promise<T>): Promise<T> {
  try {
    return await open()
  } catch (error) {
    app.log.fatal({ code: (error as { code?: string }).code }, reasonOf(error as Error))
    await app.close()
    await options.onClose?.()
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
