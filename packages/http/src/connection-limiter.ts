import type { Server } from 'node:http'
import type { Socket } from 'node:net'
import { Counter, Gauge, type Registry } from '@prometheus-io/client'
import type { FastifyBaseLogger } from 'fastify'

/** The open connections, oldest first. */
export type OpenConnections = Map<Socket, { readonly acceptedAt: number }>

export interface ConnectionLimitOptions {
  logger: FastifyBaseLogger
  registry: Registry | undefined
  maxConnections: number | undefined
}

/** The share of the limit that is kept free by closing unused connections. */
const HEADROOM = 1 / 32

/** The share of the limit below which shedding ends; well below the headroom, so that the log does not alternate. */
const RECOVERED = 3 / 4

/** A connection without a byte is kept for this time: a client connects, then sends. */
const UNUSED_MS = 1000

/** Why a connection was closed: at the limit, because accept() failed, or unused when its place was needed. */
const SHED_REASONS = ['limit', 'accept', 'unused'] as const

type ShedReason = (typeof SHED_REASONS)[number]

/**
 * Limits the connections of a server. Without a limit a process runs out of file descriptors, and everything that it
 * opens fails: database, DNS, files.
 *
 * Close to the limit, a new connection replaces the oldest one that never sent a byte, whose client loses no request. At
 * the limit, a new connection is accepted and closed at once, so that a proxy asks another replica. In the kernel's queue
 * the client would wait for its own time limit first, and Node cannot stop accepting: closing the listener resets the
 * connections of that queue. The log has a line for the first connection that is shed, and one when shedding ends.
 */
export function limitConnections(
  server: Server,
  open: OpenConnections,
  options: ConnectionLimitOptions,
): void {
  new ConnectionLimiter(server, open, options)
}

class ConnectionLimiter {
  readonly #open: OpenConnections
  readonly #logger: FastifyBaseLogger
  readonly #limit: number
  readonly #shed: Record<ShedReason, number> = { limit: 0, accept: 0, unused: 0 }
  #state: 'accepting' | 'shedding' = 'accepting'
  #cleanup: NodeJS.Timeout | undefined

  constructor(server: Server, open: OpenConnections, options: ConnectionLimitOptions) {
    const { logger, registry, maxConnections } = options
    this.#open = open
    this.#logger = logger
    this.#limit = maxConnections ?? Number.POSITIVE_INFINITY
    if (maxConnections !== undefined) server.maxConnections = maxConnections
    server.on('connection', (socket: Socket) => {
      this.#closeUnused()
      socket.once('close', () => this.#noticeRecovery())
    })
    server.on('drop', () => {
      this.#count('limit')
      this.#closeUnusedLater()
    })
    // An accept() that fails with EMFILE, ENFILE or ENOBUFS; without a listener the error would end the process.
    server.on('error', (error: NodeJS.ErrnoException) => {
      if (server.listening) this.#count('accept', error.code)
    })
    if (registry !== undefined) {
      registerConnections(registry, { open, shed: this.#shed, limit: this.#limit })
    }
  }

  #count(reason: ShedReason, code?: string): void {
    this.#shed[reason] += 1
    if (this.#state === 'shedding') return
    this.#state = 'shedding'
    const limit = Number.isFinite(this.#limit) ? this.#limit : undefined
    this.#logger.warn({ reason, code, open: this.#open.size, limit }, 'connections are shed')
  }

  #noticeRecovery(): void {
    if (this.#state === 'accepting' || this.#open.size > this.#limit * RECOVERED) return
    this.#state = 'accepting'
    this.#logger.info({ open: this.#open.size }, 'connections are no longer shed')
  }

  #closeUnused(): void {
    while (this.#open.size > this.#limit * (1 - HEADROOM) && closeOldestUnused(this.#open)) {
      this.#count('unused')
    }
  }

  /** Other connections of the same burst may be unused, too, which shows only after `UNUSED_MS`. */
  #closeUnusedLater(): void {
    if (this.#cleanup !== undefined) return
    this.#cleanup = setTimeout(() => {
      this.#cleanup = undefined
      this.#closeUnused()
    }, UNUSED_MS)
    this.#cleanup.unref()
  }
}

/** Closes the oldest connection that never sent a byte; false without one. */
function closeOldestUnused(open: OpenConnections): boolean {
  const latest = performance.now() - UNUSED_MS
  for (const [socket, { acceptedAt }] of open) {
    if (acceptedAt > latest) return false
    if (socket.bytesRead > 0 || socket.destroyed) continue
    socket.destroy()
    open.delete(socket)
    return true
  }
  return false
}

function registerConnections(
  registry: Registry,
  values: { open: OpenConnections; shed: Record<ShedReason, number>; limit: number },
): void {
  const registers = [registry]
  new Gauge({
    name: 'http_connections_open',
    help: 'Open connections of clients',
    registers,
    collect() {
      this.set(values.open.size)
    },
  })
  new Gauge({
    name: 'http_connections_limit',
    help: 'Connections of clients that may be open, from the limit of open files; +Inf without a limit',
    registers,
  }).set(values.limit)
  new Counter({
    name: 'http_connections_shed_total',
    help: 'Connections closed at the limit, because accept() failed, or unused when their place was needed',
    labelNames: ['reason'],
    registers,
    collect() {
      this.reset()
      for (const reason of SHED_REASONS) this.inc({ reason }, values.shed[reason])
    },
  })
}
