import type { Server as HttpServer } from 'node:http'
import { Server, type Socket } from 'node:net'
import { setTimeout as sleep, setImmediate as turn } from 'node:timers/promises'
import type { FastifyBaseLogger } from 'fastify'
import { Counter, Gauge, type Registry } from 'prom-client'
import type { Lifecycle } from './lifecycle.ts'

/** The open connections of a server, closed without cutting one that somebody is about to use. */
export interface Connections {
  /**
   * Stops listening; open connections go on. Closing a listener makes the kernel reset what it has connected but not
   * yet handed over, and it tells nobody whether there is any. So requests are held back for a moment: callers who
   * wait for an answer do not connect, and the queue runs dry.
   */
  stopListening(): Promise<void>
  /**
   * Resolves when every connection is gone: after its last reply, or when it was silent for `graceMs`.
   * A silent one is told so with a FIN; one that does not follow is cut after as long again.
   */
  end(graceMs: number): Promise<void>
}

/** How often silent connections are looked for. */
const SWEEP_MS = 50

/** The listener closes when nobody connected for so long. */
const QUIET_MS = 20

/** Or when so much time went by. */
const SETTLE_MS = 250

export interface ConnectionsOptions {
  lifecycle: Lifecycle
  logger: FastifyBaseLogger
  registry: Registry | undefined
  /** How many connections may be open; without it as many as the system allows. */
  maxConnections: number | undefined
}

/**
 * Follows the connections of a server from before it listens, and bounds their number.
 *
 * Node's own `server.close()` destroys at once every connection without a request in hand, also when a request's
 * bytes lie unread in the kernel or it was accepted a moment ago; its clients get a reset.
 */
export function createConnections(server: HttpServer, options: ConnectionsOptions): Connections {
  const { lifecycle } = options
  const open: Open = new Map()
  let accepted = 0
  server.on('connection', (socket: Socket) => {
    accepted += 1
    open.set(socket, { acceptedAt: performance.now() })
    socket.once('close', () => open.delete(socket))
  })
  bound(server, open, options)
  /** Resolves right after a turn of the loop that accepted nobody, when nobody has come for a while. */
  const silence = async () => {
    const begin = performance.now()
    let since = begin
    let now = begin
    while (now - since < QUIET_MS && now - begin < SETTLE_MS) {
      const before = accepted
      await turn()
      now = performance.now()
      if (accepted !== before) since = now
    }
  }
  return {
    async stopListening() {
      const release = lifecycle.hold()
      await silence()
      Server.prototype.close.call(server)
      release()
    },
    async end(graceMs) {
      const sweep = createSweep(open, lifecycle, graceMs)
      while (open.size > 0) {
        await sleep(SWEEP_MS)
        // After the turn's reading: what had come by now is a request in flight.
        await turn()
        sweep(performance.now())
      }
    },
  }
}

type Open = Map<Socket, { acceptedAt: number }>

/** Of the limit, the share that is kept free by closing connections that were never used. */
const HEADROOM = 1 / 32

/** Of the limit, the share below which the shedding is over; well below the headroom, so that the log does not alternate. */
const RECOVERED = 3 / 4

/** A connection without a byte is left alone for so long: a client connects, then sends. */
const UNUSED_MS = 1000

/** Why a connection was closed: at the limit, because accept() failed, or unused when others needed its place. */
const SHED_REASONS = ['limit', 'accept', 'unused'] as const

type ShedReason = (typeof SHED_REASONS)[number]

/**
 * Without a bound a process ends up without file descriptors, where all that it opens fails: database, DNS, files.
 *
 * Close to the bound a new connection replaces the oldest one that never sent a byte; its client loses no request. At the
 * bound a new connection is accepted and closed at once, so that a proxy asks another replica. Waiting in the kernel's
 * queue would cost the caller its time limit first, and Node has no means to stop accepting: closing the listener resets
 * the ones in that queue. The first connection that is closed is logged, and so is the moment at which there is room again.
 */
function bound(server: HttpServer, open: Open, options: ConnectionsOptions): void {
  const { logger, maxConnections = Number.POSITIVE_INFINITY, registry } = options
  const comfortable = maxConnections * (1 - HEADROOM)
  const shed: Record<ShedReason, number> = { limit: 0, accept: 0, unused: 0 }
  let state: 'accepting' | 'shedding' = 'accepting'
  const count = (reason: ShedReason, code?: string) => {
    shed[reason] += 1
    if (state === 'shedding') return
    state = 'shedding'
    logger.warn({ reason, code, open: open.size, limit: options.maxConnections }, 'connections are shed')
  }
  if (options.maxConnections !== undefined) server.maxConnections = maxConnections
  const makeRoom = () => {
    while (open.size > comfortable && closeUnused(open)) count('unused')
  }
  let sweepPlanned = false
  const sweep = () => {
    sweepPlanned = false
    makeRoom()
  }
  server.on('drop', () => {
    count('limit')
    if (sweepPlanned) return
    sweepPlanned = true
    // Those of the same burst may be unused too, which shows only later.
    setTimeout(sweep, UNUSED_MS).unref()
  })
  // What accept() fails with (EMFILE, ENFILE, ENOBUFS); without a listener the error would end the process.
  server.on('error', (error: NodeJS.ErrnoException) => {
    if (server.listening) count('accept', error.code)
  })
  server.on('connection', (socket: Socket) => {
    makeRoom()
    socket.once('close', () => {
      if (state === 'accepting' || open.size > maxConnections * RECOVERED) return
      state = 'accepting'
      logger.info({ open: open.size }, 'connections are no longer shed')
    })
  })
  if (registry !== undefined) registerConnections(registry, { open, shed, limit: maxConnections })
}

/** Closes the oldest connection that never sent a byte; false when there is none. */
function closeUnused(open: Open): boolean {
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
  values: { open: Open; shed: Record<ShedReason, number>; limit: number },
): void {
  const registers = [registry]
  new Gauge({
    name: 'http_connections_open',
    help: 'Connections of callers',
    registers,
    collect() {
      this.set(values.open.size)
    },
  })
  new Gauge({
    name: 'http_connections_limit',
    help: 'Connections of callers that may be open, from the limit of open files; +Inf when there is none',
    registers,
  }).set(values.limit)
  new Counter({
    name: 'http_connections_shed_total',
    help: 'Connections closed at the limit, since accept() failed, or unused when others needed their place',
    labelNames: ['reason'],
    registers,
    collect() {
      this.reset()
      for (const reason of SHED_REASONS) this.inc({ reason }, values.shed[reason])
    },
  })
}

interface Silence {
  since: number
  bytesRead: number
}

function createSweep(open: Open, lifecycle: Lifecycle, graceMs: number): (now: number) => void {
  const silences = new Map<Socket, Silence>()
  const begin = performance.now()
  return (now) => {
    const busy = new Set(Array.from(lifecycle.inFlight, (reply) => reply.request.raw.socket))
    // Whoever sends half requests drop by drop is silent too, some time on.
    const patient = now - begin < 2 * graceMs
    for (const socket of open.keys()) {
      const ended = socket.writableFinished
      if (!ended && (busy.has(socket) || socket.writableLength > 0)) {
        silences.delete(socket)
        continue
      }
      const silence = silences.get(socket)
      const { bytesRead } = socket
      if (!silence || (patient && !ended && silence.bytesRead !== bytesRead)) {
        silences.set(socket, { since: now, bytesRead })
      } else if (now - silence.since >= 2 * graceMs) socket.destroy()
      else if (now - silence.since >= graceMs && !socket.writableEnded) socket.end()
    }
  }
}
