import type { Server } from 'node:http'
import type { Socket } from 'node:net'

/** How long a client may take no more than {@link MIN_BYTES} of its replies, unless a test sets another time. */
export const SEND_TIMEOUT_MS = 30_000

/** 1 KB a second: a client that takes single bytes must not hold a reply for hours. */
const MIN_BYTES = 30 * 1024

/** A client is looked at this many times within its time limit. */
const CHECKS = 4

interface Progress {
  /** Checks in succession without progress. Not the time: a process that was paused itself must not blame its clients. */
  checks: number
  /** What the kernel had taken before them. */
  taken: number
}

/**
 * Closes connections whose client does not take its replies. Node has time limits for requests that arrive slowly, and none for
 * replies that are read slowly: the reply stays in memory as long as the client likes.
 *
 * The connections are looked at from time to time, so that a reply that is taken at once costs nothing.
 *
 * @param onClose called for each connection that is closed
 */
export function closeSlowReaders(
  server: Server,
  open: Iterable<Socket>,
  { sendTimeoutMs, onClose }: { sendTimeoutMs: number; onClose: () => void },
): void {
  const progress = new WeakMap<Socket, Progress>()
  const timer = setInterval(() => {
    for (const socket of open) {
      if (!takesNothing(socket, progress)) continue
      socket.destroy()
      onClose()
    }
  }, sendTimeoutMs / CHECKS)
  timer.unref()
  server.once('close', () => clearInterval(timer))
}

function takesNothing(socket: Socket, progress: WeakMap<Socket, Progress>): boolean {
  if (socket.writableLength === 0 || socket.destroyed) {
    progress.delete(socket)
    return false
  }
  const taken = takenBytes(socket)
  const last = progress.get(socket)
  if (last === undefined || taken - last.taken >= MIN_BYTES) {
    progress.set(socket, { checks: 0, taken })
    return false
  }
  last.checks += 1
  return last.checks >= CHECKS
}

/** The public counters change only when the kernel has taken a whole reply; the handle knows its part. */
function takenBytes(socket: Socket): number {
  const { _handle: handle } = socket as Socket & {
    _handle?: { bytesWritten?: number; writeQueueSize?: number } | null
  }
  if (handle?.bytesWritten === undefined || handle.writeQueueSize === undefined) {
    return socket.bytesWritten - socket.writableLength
  }
  return handle.bytesWritten - handle.writeQueueSize
}
