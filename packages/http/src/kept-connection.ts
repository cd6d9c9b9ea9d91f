import type { IncomingMessage } from 'node:http'
import type { FastifyReply, FastifyRequest } from 'fastify'

/** Longer than nginx keeps idle upstream connections (60 s): the side that sends requests must be the one that closes. */
export const KEEP_ALIVE_MS = 65_000

/** The rest of a refused body is read and discarded up to this size, so that the reply arrives. */
export const MAX_DISCARDED_BYTES = 16 * 1024 * 1024

/**
 * Keeps the connection after the reply to a refused request, or says in the reply that it closes.
 *
 * Fastify closes the connection after any fault of a body. When the client still sends, the kernel then answers with a
 * reset, which overtakes the reply. A rest of moderate length is therefore read and discarded.
 *
 * The header must say what happens: without it a client takes the connection for a kept one, and its next request fails.
 */
export function keepConnection(request: FastifyRequest, reply: FastifyReply): void {
  const { raw } = request
  if (reply.server.lifecycle.lastReplies) return
  if (!discardBody(raw) || !reply.raw.shouldKeepAlive) {
    reply.header('connection', 'close')
    return
  }
  // Node writes both headers itself, unless Fastify has decided after a fault of the body. What a handler has decided stays, and what
  // Fastify writes to the raw response while it closes.
  if (!reply.hasHeader('connection') || reply.raw.hasHeader('connection')) return
  if (!hasBody(raw) || request.body !== undefined) return
  reply.header('connection', 'keep-alive').header('keep-alive', `timeout=${KEEP_ALIVE_MS / 1000}`)
}

/** Whether a request has announced a body. */
export function hasBody({ headers }: IncomingMessage): boolean {
  return headers['content-length'] !== undefined || headers['transfer-encoding'] !== undefined
}

/**
 * Reads the rest of a body and discards it. A chunked body has no length: above the limit its connection is destroyed.
 *
 * @returns false when the announced length is over the limit
 */
export function discardBody(raw: IncomingMessage): boolean {
  if (raw.complete || !hasBody(raw)) return true
  if (raw.headers['transfer-encoding'] !== undefined) {
    let bytes = 0
    raw.on('data', (chunk: Buffer) => {
      bytes += chunk.length
      if (bytes > MAX_DISCARDED_BYTES) raw.destroy()
    })
  } else if (Number(raw.headers['content-length']) > MAX_DISCARDED_BYTES) {
    return false
  }
  raw.resume()
  return true
}
