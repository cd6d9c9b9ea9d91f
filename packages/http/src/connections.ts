import type { Server as HttpServer } from 'node:http'
import { Server, type Socket } from 'node:net'
import { setTimeout as sleep, setImmediate as turn } from 'node:timers/promises'
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

/**
 * Follows the connections of a server from before it listens.
 *
 * Node's own `server.close()` destroys at once every connection without a request in hand, also when a request's
 * bytes lie unread in the kernel or it was accepted a moment ago; its clients get a reset.
 */
export function createConnections(server: HttpServer, lifecycle: Lifecycle): Connections {
  const open = new Set<Socket>()
  let accepted = 0
  server.on('connection', (socket: Socket) => {
    accepted += 1
    open.add(socket)
    socket.once('close', () => open.delete(socket))
  })
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

interface Silence {
  since: number
  bytesRead: number
}

function createSweep(open: Set<Socket>, lifecycle: Lifecycle, graceMs: number): (now: number) => void {
  const silences = new Map<Socket, Silence>()
  const begin = performance.now()
  return (now) => {
    const busy = new Set(Array.from(lifecycle.inFlight, (reply) => reply.request.raw.socket))
    // Whoever sends half requests drop by drop is silent too, some time on.
    const patient = now - begin < 2 * graceMs
    for (const socket of open) {
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
