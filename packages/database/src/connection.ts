import { Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import {
  ConnectError,
  openConnection,
  type PostgresServer,
  postgresJsOptions,
  postgresServer,
  withoutLibpqVariables,
} from '@reference/postgres'
import postgres from 'postgres'
import { turnOffDriverRetry } from './driver-retry.ts'
import type { Watch, Watchdog } from './watch.ts'
import { wireTypes } from './wire.ts'

export type Client = postgres.Sql<Record<string, never>>

export type Connection = {
  readonly client: Client
  readonly watch: Watch
  /** Why it was given up, for whatever was on it besides the one that noticed; it is not worth another try. */
  readonly lost: unknown
  /** Connections to the server: one, or none before the first statement and when idle for long. */
  open(): number
  /** Lets what was sent finish for so long, then ends like `destroy`. */
  end(seconds: number): Promise<void>
  /** Ends at once, whether the server takes part or not; whatever is on it fails. */
  destroy(lost?: unknown): Promise<void>
}

export type ConnectionOptions = {
  url: string
  applicationName: string
  prepare: boolean
  idleSeconds: number | undefined
  lifetimeSeconds: number
}

const connectSeconds = 5

/**
 * One connection: a postgres.js client with `max: 1`, which connects at its first statement and again after a loss.
 * The pool has one for each of its places instead of one client with `max: 30`, since only then is it known which
 * connection a statement is on. Cancelling needs that (the cancel names a session, and might otherwise hit the next
 * statement on it), and so do transactions (a `begin` that fills a pipeline is lost in postgres.js 3.4), and giving up
 * on a server that no longer answers.
 */
export function createConnection(
  options: ConnectionOptions,
  watchdog: Watchdog,
  onSilent: (connection: Connection) => void,
): Connection {
  const server = postgresServer(options.url)
  const sockets = createSockets(server)
  const settings = {
    ...postgresJsOptions(server),
    max: 1,
    // Not declared. The gate keeps to its depth; a pipeline that postgres.js thinks full takes nothing until it drained.
    max_pipeline: 1000,
    prepare: options.prepare,
    // One query less a connection: the array types that we send are known (see wire.ts).
    fetch_types: false,
    ...(options.idleSeconds === undefined ? {} : { idle_timeout: options.idleSeconds }),
    // Up to a tenth earlier, so that connections that were opened together do not close together.
    max_lifetime: Math.round(options.lifetimeSeconds * (1 - Math.random() / 10)),
    // From the start message on; the socket and TLS have the same limit.
    connect_timeout: connectSeconds,
    // The default waits up to 20 s after failures; a database that comes back should be seen within a second.
    backoff: (failures: number) => (sockets.isEnded() ? 0 : Math.min(0.05 * failures, 1)),
    types: wireTypes,
    connection: { application_name: applicationName(server, options.applicationName) },
    onnotice: () => {},
    socket: sockets.open,
  }
  const client = withoutLibpqVariables(() => postgres(settings as never)) as unknown as Client
  turnOffDriverRetry(client)
  const watch = watchdog.watch(() => onSilent(connection))
  let lost: unknown

  async function end(seconds: number): Promise<void> {
    await client.end({ timeout: seconds })
    watch.end()
    sockets.end()
  }

  const connection: Connection = {
    client,
    watch,
    get lost() {
      return lost
    },
    open: () => sockets.count(),
    end,
    destroy(reason) {
      lost ??= reason
      sockets.end()
      return end(0)
    },
  }
  return connection
}

/** The URL's `application_name` stands for the name of the service; the rest says which pool it is. */
function applicationName(server: PostgresServer, name: string): string {
  if (server.applicationName === undefined) return name
  return [server.applicationName, ...name.split(' ').slice(1)].join(' ')
}

/** What postgres.js reads anew for each start message, and does not declare. */
type StartOptions = { connection: Record<string, string> }

/**
 * The sockets of a client are ours, since postgres.js 3.4 only half-closes them: one to a server that no longer answers
 * would stay open, with the process waiting for it.
 */
function createSockets(server: PostgresServer) {
  const sockets = new Set<Duplex>()
  const attempts = new AbortController()
  // TLS takes all listeners off the socket below it, so this is looked up rather than told.
  const forgetClosed = () => {
    for (const socket of sockets) if (socket.destroyed) sockets.delete(socket)
  }
  const keep = (socket: Duplex, below?: Duplex) => {
    forgetClosed()
    if (below !== undefined) sockets.delete(below)
    sockets.add(socket)
  }
  return {
    async open(options: StartOptions): Promise<Duplex> {
      try {
        if (attempts.signal.aborted) throw connectionClosed()
        const { socket, startParameters } = await openConnection(server, {
          timeoutMs: connectSeconds * 1000,
          onSocket: keep,
          signal: attempts.signal,
        })
        Object.assign(options.connection, startParameters)
        // Without an error postgres.js takes a socket that closes before the session was there as a reason to
        // connect again at once, and again, for ever: so a proxy without a server behind it looks.
        socket.on('close', (hadError) => {
          if (!hadError) socket.emit('error', connectionClosed())
        })
        return socket
      } catch (error) {
        return refusedSocket(error as Error)
      }
    },
    isEnded: () => attempts.signal.aborted,
    count() {
      forgetClosed()
      return sockets.size
    },
    end() {
      attempts.abort(connectionClosed())
      for (const socket of sockets) socket.destroy()
    },
  }
}

/**
 * A socket that fails. postgres.js 3.4 forgets a connection whose socket cannot be made; one that fails is handled. It
 * also connects again for what waits in its queue when a connection closes, while it is being ended as well, and then
 * forgets the queue: each of them meets such a socket, until the queue is empty.
 */
export function refusedSocket(error: Error): Socket {
  const socket = new Socket()
  setImmediate(() => socket.destroy(error))
  return socket
}

function connectionClosed(): ConnectError {
  return new ConnectError('CONNECTION_CLOSED', 'The connection was closed')
}

/** What postgres.js knows of a statement but does not declare. */
export type Running = PromiseLike<unknown> & {
  active?: boolean
  canceller?: ((query: Running) => Promise<void>) | null
}

const cancelMs = 5000

/**
 * Asks the server to stop a statement, until it has settled. Not `query.cancel()`: that hides its promise, so a server
 * that is away ends the process with an unhandled rejection, and a statement that still connects leaves the
 * client stuck. It is asked again since a cancel that comes between Parse and Bind is ignored by the server.
 *
 * @returns when the statement has settled and no cancel is on its way that could meet the next one.
 */
export async function cancelRunning(connection: Connection, query: Running): Promise<void> {
  let settled = false
  const end = () => {
    settled = true
  }
  const ended = Promise.resolve(query).then(end, end)
  // A server that does not even take a cancel is not worth the statement's whole limit.
  connection.watch.hurry(cancelMs)
  while (!settled) {
    if (query.active && query.canceller) {
      const asked = query.canceller(query).catch(() => {})
      // It connects, which has a limit; where it does not settle for all that, its socket is gone and meets nobody.
      const moot = ended.then(() => (connection.lost === undefined ? pause(cancelMs) : undefined))
      await Promise.race([asked, moot])
    }
    await Promise.race([ended, pause(25)])
  }
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms).unref())
}
