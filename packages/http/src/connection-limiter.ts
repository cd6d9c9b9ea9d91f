import type { Server } from 'node:http'
import type { Socket } from 'node:net'
import { Counter, Gauge, type Registry } from '@prometheus-io/client'
import type { TransientMap } from '@reference/async'
import type { FastifyBaseLogger } from 'fastify'
import { addressKey } from './address-key.ts'

/** The open connections, oldest first. */
export type OpenConnections = TransientMap<Socket, { readonly acceptedAt: number }>

export interface ConnectionLimitOptions {
  logger: FastifyBaseLogger
  registry: Registry | undefined
  maxConnections: number | undefined
  /** Connections of one address; undefined for no limit, behind a proxy. */
  maxPerAddress?: number | undefined
}

/** The share of the limit that is kept free by closing unused connections. */
const HEADROOM = 1 / 32

/** The share of the limit below which shedding ends; well below the headroom, so that the log does not alternate. */
const RECOVERED = 3 / 4

/** A connection without a byte is kept for this time: a client connects, then sends. */
const UNUSED_MS = 1000

/**
 * Why a connection was closed: at the limit, because accept() failed, unused when its place was needed, one too many of its address, or
 * because its client did not take the replies.
 */
const SHED_REASONS = ['limit', 'accept', 'unused', 'address', 'unread'] as const

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
): { count(reason: 'unread'): void } {
  return new ConnectionLimiter(server, open, options)
}

class ConnectionLimiter {
  readonly #open: OpenConnections
  readonly #logger: FastifyBaseLogger
  readonly #limit: number
  readonly #shed: Record<ShedReason, number> = { limit: 0, accept: 0, unused: 0, address: 0, unread: 0 }
  readonly #maxPerAddress: number
  readonly #byAddress = new Map<string, number>()
  #state: 'accepting' | 'shedding' = 'accepting'
  #cleanup: NodeJS.Timeout | undefined

  constructor(server: Server, open: OpenConnections, options: ConnectionLimitOptions) {
    const { logger, registry, maxConnections } = options
    this.#open = open
    this.#logger = logger
    this.#limit = maxConnections ?? Number.POSITIVE_INFINITY
    this.#maxPerAddress = options.maxPerAddress ?? Number.POSITIVE_INFINITY
    if (maxConnections !== undefined) server.maxConnections = maxConnections
    server.on('connection', (socket: Socket) => {
      if (options.maxPerAddress !== undefined) this.#countAddress(socket)
      this.#closeUnused()
      socket.once('close', () => this.#noticeRecovery())
    })
    server.on('drop', () => {
      this.#shedAt('limit')
      this.#closeUnusedLater()
    })
    // An accept() that fails with EMFILE, ENFILE or ENOBUFS; without a listener the error would end the process.
    server.on('error', (error: NodeJS.ErrnoException) => {
      if (server.listening) this.#shedAt('accept', error.code)
    })
    if (registry !== undefined) {
      registerConnections(registry, { open, shed: this.#shed, limit: this.#limit })
    }
  }

  /** Closes a connection without a line in the log: its client is at fault, and may do so again at once. */
  count(reason: 'unread' | 'address'): void {
    this.#shed[reason] += 1
  }

  #countAddress(socket: Socket): void {
    const key = addressKey(socket.remoteAddress ?? '')
    const count = (this.#byAddress.get(key) ?? 0) + 1
    this.#byAddress.set(key, count)
    socket.once('close', () => {
      const left = (this.#byAddress.get(key) ?? 1) - 1
      if (left === 0) this.#byAddress.delete(key)
      else this.#byAddress.set(key, left)
    })
    if (count <= this.#maxPerAddress) return
    socket.destroy()
    this.count('address')
  }

  #shedAt(reason: ShedReason, code?: string): void {
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
      this.#shedAt('unused')
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
    help: 'Connections closed at a limit (of all, of an address), after a failed accept(), unused, or with unread replies',
    labelNames: ['reason'],
    registers,
    collect() {
      this.reset()
      for (const reason of SHED_REASONS) this.inc({ reason }, values.shed[reason])
    },
  })
}
