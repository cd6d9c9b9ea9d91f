import type { Server as HttpServer } from 'node:http'
import { Server, type Socket } from 'node:net'
import { setImmediate as nextTurn } from 'node:timers/promises'
import type { Registry } from '@prometheus-io/client'
import { delay, TransientMap } from '@reference/async'
import type { FastifyBaseLogger } from 'fastify'
import { limitConnections, type OpenConnections } from './connection-limiter.ts'
import type { Lifecycle } from './lifecycle.ts'
import { closeSlowReaders, SEND_TIMEOUT_MS } from './slow-readers.ts'

/** How often silent connections are searched for. */
const SWEEP_MS = 50

/** The listener closes after this time without a new connection … */
const QUIET_MS = 20

/** … and after this time in any case. */
const SETTLE_MS = 250

export interface ConnectionsOptions {
  lifecycle: Lifecycle
  logger: FastifyBaseLogger
  registry: Registry | undefined
  /** How many connections may be open; undefined for no limit of its own. */
  maxConnections: number | undefined
  /** How many of them one address may have; undefined for no limit. */
  maxPerAddress?: number | undefined
  /** How long a client may take almost nothing of its replies. */
  sendTimeoutMs?: number | undefined
}

/**
 * The open connections of a server, tracked from before it listens and limited in number.
 *
 * Node's own `server.close()` destroys every connection without a request at once, also when the bytes of a request lie
 * unread in the kernel or the connection was accepted a moment ago. The clients of these connections get a reset.
 */
export class Connections {
  readonly #server: HttpServer
  readonly #lifecycle: Lifecycle
  readonly #open: OpenConnections = new TransientMap()
  #accepted = 0

  constructor(server: HttpServer, options: ConnectionsOptions) {
    this.#server = server
    this.#lifecycle = options.lifecycle
    server.on('connection', (socket: Socket) => {
      this.#accepted += 1
      this.#open.set(socket, { acceptedAt: performance.now() })
      socket.once('close', () => this.#open.delete(socket))
    })
    const limiter = limitConnections(server, this.#open, options)
    closeSlowReaders(
      server,
      { [Symbol.iterator]: () => this.#open.keys() },
      { sendTimeoutMs: options.sendTimeoutMs ?? SEND_TIMEOUT_MS, onClose: () => limiter.count('unread') },
    )
  }

  /**
   * Stops listening; open connections stay open.
   *
   * When a listener closes, the kernel resets the connections that it has established but not handed over, and a process
   * cannot see whether there are any. Requests are therefore held back for a moment: clients that wait for a reply do not
   * connect, and the queue of the kernel runs empty.
   */
  async stopListening(): Promise<void> {
    const release = this.#lifecycle.hold()
    await this.#untilQuiet()
    Server.prototype.close.call(this.#server)
    release()
  }

  /**
   * Resolves when every connection has closed: after its last reply, or after `graceMs` of silence. A silent connection
   * gets a FIN, and is destroyed when the client has not closed it within the same time again.
   */
  async end(graceMs: number): Promise<void> {
    const sweeper = new SilenceSweeper(this.#open, this.#lifecycle, graceMs)
    while (this.#open.size > 0) {
      await delay(SWEEP_MS)
      // After this turn's reads: a request that has arrived by now is in flight.
      await nextTurn()
      sweeper.sweep(performance.now())
    }
  }

  /** Resolves right after a turn of the event loop without a new connection. */
  async #untilQuiet(): Promise<void> {
    const startedAt = performance.now()
    let quietSince = startedAt
    let now = startedAt
    while (now - quietSince < QUIET_MS && now - startedAt < SETTLE_MS) {
      const before = this.#accepted
      await nextTurn()
      now = performance.now()
      if (this.#accepted !== before) quietSince = now
    }
  }
}

interface Silence {
  since: number
  bytesRead: number
}

/** Closes the connections that are silent: without a request in flight, unsent bytes or received bytes. */
class SilenceSweeper {
  readonly #open: OpenConnections
  readonly #lifecycle: Lifecycle
  readonly #graceMs: number
  readonly #startedAt = performance.now()
  readonly #silences = new Map<Socket, Silence>()

  constructor(open: OpenConnections, lifecycle: Lifecycle, graceMs: number) {
    this.#open = open
    this.#lifecycle = lifecycle
    this.#graceMs = graceMs
  }

  sweep(now: number): void {
    const inUse = new Set(Array.from(this.#lifecycle.inFlight, (reply) => reply.request.raw.socket))
    for (const socket of this.#open.keys()) {
      const replying = inUse.has(socket) || socket.writableLength > 0
      if (replying && !socket.writableFinished) this.#silences.delete(socket)
      else this.#closeAfterGrace(socket, now)
    }
  }

  #closeAfterGrace(socket: Socket, now: number): void {
    const silence = this.#silences.get(socket)
    if (silence === undefined || this.#hasSent(socket, silence, now)) {
      this.#silences.set(socket, { since: now, bytesRead: socket.bytesRead })
      return
    }
    const silentMs = now - silence.since
    if (silentMs >= 2 * this.#graceMs) socket.destroy()
    else if (silentMs >= this.#graceMs && !socket.writableEnded) socket.end()
  }

  /** Received bytes end a silence only at first, or a client that sends a request byte by byte would delay the shutdown. */
  #hasSent(socket: Socket, silence: Silence, now: number): boolean {
    if (socket.writableFinished || now - this.#startedAt >= 2 * this.#graceMs) return false
    return silence.bytesRead !== socket.bytesRead
  }
}
