import { Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import { ConnectError, type OpenedConnection, openConnection, type PostgresServer } from '@reference/postgres'

/** The options of postgres.js that it reads again for each start message, and does not declare. */
export interface StartOptions {
  connection: Record<string, string>
}

/** The sockets of one client of postgres.js. */
export interface Sockets {
  /** For the option `socket` of postgres.js. */
  open(options: StartOptions): Promise<OpenedConnection['socket'] | Socket>
  count(): number
  isEnded(): boolean
  /** Destroys all sockets; later ones fail. */
  end(): void
}

/**
 * Opens and owns the sockets of a client, because postgres.js 3.4 only half-closes its own: a socket to a server that no longer
 * answers would stay open and keep the process alive.
 */
export function createSockets(server: PostgresServer, timeoutMs: number): Sockets {
  const sockets = new Set<Duplex>()
  const attempts = new AbortController()
  // Checked when it is needed: TLS removes all listeners of the socket below it, so an event would not arrive.
  const forgetClosed = () => {
    for (const socket of sockets) if (socket.destroyed) sockets.delete(socket)
  }
  const keep = (socket: Duplex, below?: Duplex) => {
    forgetClosed()
    if (below !== undefined) sockets.delete(below)
    sockets.add(socket)
  }
  return {
    async open(options) {
      try {
        attempts.signal.throwIfAborted()
        const attempt = { timeoutMs, onSocket: keep, signal: attempts.signal }
        const { socket, startParameters } = await openConnection(server, attempt)
        Object.assign(options.connection, startParameters)
        // Without an error, postgres.js connects again at once and without end when a socket closes before its session has
        // started, as behind a proxy that has no server.
        socket.on('close', (hadError) => {
          if (!hadError) socket.emit('error', connectionClosed())
        })
        return socket
      } catch (error) {
        return failingSocket(error as Error)
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
 * A socket that fails with this error. postgres.js 3.4 handles a socket that fails, but forgets a connection whose socket cannot
 * be made. When a connection closes, it also connects again for the statements in its queue, even while it is being ended, and
 * then forgets the queue: each of these statements meets such a socket, until the queue is empty.
 */
export function failingSocket(error: Error): Socket {
  const socket = new Socket()
  setImmediate(() => socket.destroy(error))
  return socket
}

function connectionClosed(): ConnectError {
  return new ConnectError('CONNECTION_CLOSED', 'The connection was closed')
}
